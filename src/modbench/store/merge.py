"""Several stores -> one: cohorts are copied as they are, and every run counts once.

Which of two counts is settled without a look at the numbers, so that merging selects nothing by its outcome:

- A cohort of one id in several stores (equal runs at an equal width) is one cohort: what the target has stays,
  else the first store that was named gives it.
- A run in cohorts of several ids (trained at several widths) keeps all its copies on disk, and reading counts
  the one in the cohort of the lowest id, in whatever order stores were merged.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modbench.core.errors import RequestError
from modbench.core.paths import given_path
from modbench.store.cohort import DIGESTS, FILES, DamagedFile, read_files
from modbench.store.content import checked
from modbench.store.durable import exists, machine_errors, make_folder, read_file, replace_file
from modbench.store.files import Damage, Store
from modbench.store.marker import MARKER, SWEEP
from modbench.store.params import intact, of_cohort, path_of, put_params
from modbench.store.plan import decode_plan, plan_files, read_plan
from modbench.store.record import decode
from modbench.store.schema import TABLES


class Merged(NamedTuple):
    """What a merge has done.

    Attributes:
        copied: cohorts that were copied.
        present: cohorts of the sources that the target had already, from an earlier source perhaps.
        planned: plans that were copied.
        runs: runs that the target now has.
        repeated: further copies of those runs, which count for nothing.
        damages: files of the target that were damaged and have been set aside.
    """

    copied: int
    present: int
    planned: int
    runs: int
    repeated: int
    damages: list[Damage]


def merge_stores(sources: Sequence[str | Path], target: str | Path) -> Merged:
    """Copies plans, published cohorts and kept parameters of stores into a store, which is made where there is none.

    Every source is checked whole before anything is written, and every file again as it is copied. Cohorts appear
    one by one, each by a rename: an interrupted merge is continued by the same call. Sources are left as they are.

    Args:
        sources: folders of stores.
        target: folder of the store to merge into; its `sweep.toml` becomes the union of all.

    Raises:
        RequestError: a source is no store, has a newer schema, is damaged or is the target; or the target cannot
            be a store. Nothing has been written then.
        MachineError: something cannot be read or written, on a full disk say.
    """
    stores = [Store.open(source) for source in sources]
    target = given_path(target)
    for store in stores:
        with machine_errors(f"look at {target}"):
            if exists(target) and store.folder.samefile(target):
                raise RequestError(f"a store must be merged into another folder, got {target} as both")
        _check(store)
    # A merge that was stopped before it had written the sweep has left a store without one.
    begun = exists(target / MARKER) and exists(target / SWEEP)
    present = [Store.open(target)] if begun else []
    into = Store.create(target, _union([store.sweep_source() for store in [*present, *stores]]))
    damages = into.set_damaged_aside()
    planned = sum(_copy_plan(into, name, content) for store in stores for name, content in _plans(store))
    published = [
        into.publish_files(cohort_id, files) for store in stores for cohort_id, files in _cohorts(store)
    ]
    for store in stores:
        _copy_params(store, into)
    runs = [run for _, files in _cohorts(into) for run in _run_ids(files)]
    copied = sum(published)
    distinct = len(set(runs))
    return Merged(copied, len(published) - copied, planned, distinct, len(runs) - distinct, damages)


def _check(store: Store) -> None:
    """Reads all that would be copied, and raises what would be raised then."""
    for _ in _plans(store):
        pass
    for _ in _cohorts(store):
        pass
    for path in _params(store):
        if intact(path) is None:
            raise _damaged(store, path.relative_to(store.folder).as_posix(), "remove it")


def _plans(store: Store) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a store's plan files, retired ones included, each checked."""
    for path in plan_files(store.folder):
        try:
            content = read_plan(path)
            decode_plan(content, path.stem)
        except ValueError:
            raise _damaged(store, f"plan/{path.name}") from None
        yield path.name, content


def _cohorts(store: Store) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Ids and files of a store's published cohorts, each checked."""
    for cohort_id in store.published():
        folder = store.folder / "cohorts" / cohort_id
        try:
            files = read_files(folder)
            checked({name: files[file] for name, file in FILES.items()}, cohort_id, _plan(store, cohort_id))
        except DamagedFile as damage:
            raise _damaged(store, f"cohorts/{cohort_id}/{damage.file}") from None
        yield cohort_id, files


def _plan(store: Store, cohort_id: str) -> Path:
    return store.folder / "plan" / f"{cohort_id}.json"


def _damaged(store: Store, file: str, remedy: str = "") -> RequestError:
    place = store.folder
    remedy = (
        remedy or f"modbench run {place}/sweep.toml --out {place} sets it aside and trains its runs again"
    )
    return RequestError(f"a store must be whole to be merged, but {place / file} is damaged; {remedy}")


def _params(store: Store) -> Iterator[Path]:
    """The files of parameters of a store's published cohorts."""
    for cohort_id in store.published():
        yield from of_cohort(store.folder, cohort_id)


def _copy_params(store: Store, into: Store) -> None:
    """Copies parameters, but not beside results that another store has given."""
    for path in _params(store):
        cohort_id, run_id = path.parent.name, path.stem
        if not exists(path_of(into.folder, cohort_id, run_id)) and _same_results(store, into, cohort_id):
            with machine_errors(f"read {path}"):
                content = read_file(path)
            put_params(into.folder, cohort_id, run_id, content)


def _same_results(store: Store, into: Store, cohort_id: str) -> bool:
    digests = [(each.folder / "cohorts" / cohort_id / DIGESTS) for each in (store, into)]
    with machine_errors(f"read {digests[1]}"):
        return read_file(digests[0]) == read_file(digests[1])


def _copy_plan(into: Store, name: str, content: bytes) -> bool:
    path = into.folder / "plan" / name
    with machine_errors(f"write {path}"):
        if exists(path):
            return False
        make_folder(path.parent)
        replace_file(path, content)
    return True


def _run_ids(files: dict[str, bytes]) -> list[str]:
    runs = decode(files[FILES["runs"]], TABLES["runs"], columns=["run_id"])
    return runs["run_id"].to_pylist()


def _union(sweeps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first sweep with the grids of all, each once."""
    grids = []
    for grid in (grid for sweep in sweeps for grid in sweep.get("grid", [])):
        if grid not in grids:
            grids.append(grid)
    return {**sweeps[0], "grid": grids}
