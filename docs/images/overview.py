"""Draws the README's picture from the published study: `python docs/images/overview.py studies/small`."""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from modbench.analysis import model_title, with_settings
from modbench.core.quantities import QUANTITIES
from modbench.figures import FIGURES, model_styles
from modbench.figures.axes import dodged, points, rules_axis, value_axis
from modbench.figures.frame import PAGE, Heading, Margins, frame, handles
from modbench.figures.heat import heat_map, heat_scale
from modbench.figures.style import COLOURS, look
from modbench.store.table import Tables, load

SETTING = "MLP · regression"
QUESTIONS = {
    "error_ood": "Does it help?",
    "collapse_worst": "Does it collapse?",
    "alignment": "Does it specialise?",
}
MATRICES = ("modular", "modular-op", "gt-modular")


def draw(tables: Tables) -> Figure:
    """Puts error, collapse and alignment above three activation matrices."""
    tables = with_settings(tables)
    error, metrics, activation = (
        FIGURES[name].prepare(tables).only(setting=SETTING) for name in ("error", "metrics", "activation")
    )
    rules, styles = sorted(error.present("num_rules")), model_styles(error.models)
    with look():
        title = f"Do modules help, collapse, specialise? {SETTING}"
        matrices = f"matrices: p(module | rule) with {rules[-1]} rules, the run of median alignment"
        footer = f"lower is better · {error.footer()} · {matrices}"
        heading = Heading(title, footer, handles(styles, error.models, random=True))
        margins = Margins(left=0.45, top=0.7)
        figure, grid = frame(len(QUESTIONS) + len(MATRICES), 3, (PAGE / 3, 2.85), margins, heading)
        for axes, (quantity, question) in zip(grid, QUESTIONS.items(), strict=False):
            data = error if quantity == "error_ood" else metrics
            shown = data.only(quantity=quantity).frame
            rules_axis(axes, rules)
            aside = dodged(axes, rules, len(styles))
            for position, model in enumerate(error.models):
                rows = shown[shown["model"] == model].sort_values("num_rules")
                points(axes, rows["num_rules"].to_numpy(float) * aside[position], rows, styles[model])
            random = shown[shown["model"] == "random"].sort_values("num_rules")
            axes.plot(random["num_rules"], random["mean"], color=COLOURS["ink"], linestyle=":", linewidth=1.3)
            if quantity == "error_ood":
                value_axis(axes, shown[["mean", "high"]].to_numpy(float), logarithmic=False)
                axes.set_title(f"{question}\nError (L1), doubled inputs")
            else:
                axes.set_ylim(-0.04, 1.04)
                axes.set_title(f"{question}\n{QUANTITIES[quantity].title}")
        for axes, model in zip(grid[len(QUESTIONS) :], MATRICES, strict=True):
            run = activation.only(model=model, num_rules=rules[-1]).frame
            matrix = run.pivot(index="rule", columns="position", values="probability").to_numpy(float)
            heat_map(axes, matrix)
            axes.set(xlabel="modules", ylabel="rules")
            axes.set_title(f"Who does what?\n{model_title(model)}")
        left, above = grid[len(QUESTIONS)].get_position().corners()[1]
        place = (left, above + 0.5 / figure.get_figheight())
        figure.legend(
            handles=heat_scale(),
            loc="lower left",
            bbox_to_anchor=place,
            ncols=6,
            borderpad=0,
            borderaxespad=0,
        )
    return figure


if __name__ == "__main__":
    drawn = draw(load(sys.argv[1]))
    with look():
        drawn.savefig(Path(__file__).with_suffix(".png"), metadata={"Software": None})
