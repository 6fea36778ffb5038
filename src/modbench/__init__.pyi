from modbench.api.results import Results as Results
from modbench.api.results import load as load
from modbench.api.routers import Gates as Gates
from modbench.api.routers import Scores as Scores
from modbench.api.routers import register_gates as register_gates
from modbench.api.routers import register_scores as register_scores
from modbench.api.running import run as run
from modbench.core.errors import MachineError as MachineError
from modbench.core.errors import ModbenchError as ModbenchError
from modbench.core.errors import RequestError as RequestError
from modbench.core.grid import Sweep as Sweep
from modbench.core.grid import load_sweep as load_sweep
from modbench.core.grid import parse_sweep as parse_sweep
from modbench.core.grid import preset_names as preset_names
from modbench.core.spec import RunSpec as RunSpec
from modbench.evaluation.trained import TrainedRun as TrainedRun
from modbench.metrics import joint as joint
from modbench.metrics import joint_from_topk as joint_from_topk
from modbench.metrics import joint_from_trace as joint_from_trace
from modbench.metrics import routing_metrics as routing_metrics
from modbench.store.params import load_params as load_params

__version__: str
