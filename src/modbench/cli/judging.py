"""`modbench claims`: the paper's claims, held against a store, in a terminal."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from modbench.cli.console import output
from modbench.cli.reading import load_planned, unfinished
from modbench.cli.status import store_notes

if TYPE_CHECKING:
    from modbench.report.verdicts import ShownClaim

STYLES = {"supported": "green", "contradicted": "red", "undecided": "yellow", "too short": "yellow"}


def show_claims(folder: Path, checkpoint: str) -> None:
    """Shows what is short of the paper's training, every claim with its effects, and what would decide the others.

    Args:
        folder: of the store.
        checkpoint: `"last"` or `"best"`.

    Raises:
        RequestError: the folder is no store, or the checkpoint is unknown.
    """
    tables = load_planned(folder)
    from modbench.report.verdicts import short_training, shown_claims

    claims = shown_claims(tables, shlex.quote(str(folder)), checkpoint)
    console = output()
    for line in short_training(claims):
        console.say(Text(line, "yellow"))
    console.print(_table(claims, checkpoint))
    if claims[0].basis:
        console.say(claims[0].basis)
    needs: dict[tuple[str, str, str | None], list[str]] = {}
    for shown in claims:
        number = str(shown.claim.card.number)
        if shown.split:
            console.say(f"{number}: {shown.split}")
        if shown.claim.need:
            needs.setdefault((shown.claim.verdict, shown.claim.need.text, shown.command), []).append(number)
    for (verdict, text, command), numbers in needs.items():
        console.say(f"{verdict} {', '.join(numbers)}: {text}")
        if command:
            console.say(f"  {command}")
    for note in store_notes(tables):
        console.say(note)
    if lacking := unfinished(folder, tables):
        console.say(Text(lacking, "yellow"))


def _table(claims: "list[ShownClaim]", checkpoint: str) -> Table:
    title = f'The paper\'s claims at the "{checkpoint}" checkpoint'
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("claim", "runs", "mean", "95 % interval", "claimed"):
        table.add_column(heading, justify="left" if heading == "claim" else "right")
    table.add_column("verdict", no_wrap=True)
    for shown in claims:
        card, verdict = shown.claim.card, shown.claim.verdict
        sentence = Text(f"{card.number}. {card.sentence}", "bold")
        table.add_row(sentence, "", "", "", "", Text(verdict, STYLES[verdict]))
        for line in shown.lines:
            told = Text(line.verdict, STYLES[line.verdict]) if line.verdict else Text("beside", "dim")
            numbers = (f"{line.num_runs:,}", line.mean, line.interval, line.says)
            table.add_row(f"   {line.title}", *numbers, told)
        table.add_section()
    return table
