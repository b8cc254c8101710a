"""The commands: parse, call, print. No logic.

stdout is the answer, stderr the progress and the errors. A known error is one or two lines (where and what, then
what next) and its class's exit code; a traceback only with PLUGDATA_DEBUG=1. Everything heavy is imported inside
the command that needs it, so that `--help` answers at once.

Commands stand by what they are for: making.py, natural.py, curating.py, looking.py, publishing.py, judging.py,
ledger.py. What they share is how a recipe is asked for (options.py) and how the answer is shown (showing.py).
"""

import io
import os
import sys

import click

from plugdata import __version__
from plugdata.cli import curating, judging, looking, making, natural, publishing
from plugdata.cli.ledger import ledger
from plugdata.errors import PlugdataError

COMMANDS = (
    *(making.demo, making.plan, making.run, making.translate),
    *(natural.generate, natural.rate, natural.diversify),
    *(making.pair, curating.filter, curating.dedup),
    *(
        making.retry,
        making.merge,
        publishing.push,
        publishing.pull,
        publishing.export,
        judging.judge,
        looking.status,
        looking.stats,
        looking.sample,
        looking.report,
        ledger,
        looking.languages,
        looking.schema,
    ),
)


class _Group(click.Group):
    """Commands listed in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Group,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="plugdata")
def cli() -> None:
    """Make PLUG corpora: instruction data that teaches a model to think in a strong language and answer in yours.

    \b
    plugdata demo                                    a small corpus, no key, no account
    plugdata run recipes/plug-zh-ko-it-es.yaml       a whole corpus from a recipe
    plugdata status corpora/plug                     how far it is, from any terminal
    """


def main() -> None:
    """Run the command line; every known error ends here."""
    sys.stdout = sys.stdout or io.StringIO()  # None: closed by who called
    sys.stderr = sys.stderr or io.StringIO()
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except PlugdataError as error:
        if os.environ.get("PLUGDATA_DEBUG"):
            raise
        click.echo(f"plugdata: {error}", err=True)
        if error.hint:
            click.echo(f"  → {error.hint}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("plugdata: interrupted; what was answered is kept, the same command resumes", err=True)
        sys.exit(130)
    except OSError as error:  # without a name it is stdout: a closed pipe, a full disk
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            click.echo(f"plugdata: {error.filename or 'cannot print'}: {error.strerror}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
