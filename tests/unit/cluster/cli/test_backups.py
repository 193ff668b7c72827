"""`windvane backup` and `windvane restore`: what was done, what is left to do by hand, and whether it verifies."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.worlds.home import Home
from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster.cli import main


class Shell:
    """Runs `windvane …` on a home that holds a decision, with places for its archives."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.decide("d1", "anna")
        self.places = folder / "backups", folder / "keys"

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"RAY_ADDRESS": "", **self.home.environment})

    def back_up(self) -> Result:
        return self("backup", str(self.places[0]), "--keys", str(self.places[1]))

    def restore(self, *more: str) -> Result:
        archive, keys = (next(place.iterdir()) for place in self.places)
        return self("restore", str(archive), "--keys", str(keys), *more)


@pytest.fixture
def windvane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    skip_syncs(monkeypatch)
    return Shell(tmp_path)


def test_a_backup_names_its_archives_and_what_it_lacks(windvane: Shell) -> None:
    result = windvane.back_up()
    assert result.exit_code == 0, result.output
    first, second, lacks = result.output.splitlines()
    assert first.startswith(f"{windvane.places[0]}/windvane-")
    assert second.startswith(f"{windvane.places[1]}/windvane-")
    assert second.endswith("-keys.tar  (keep it apart from the other)")
    assert lacks.startswith("Outside of the home, so not in them; back up now, before `windvane up`: WINDVANE_MODELS")


def test_a_restore_says_what_it_took_over_and_verifies(windvane: Shell) -> None:
    windvane.back_up()
    windvane.home.decide("d2", "ben")
    windvane.home.erase("anna", at=77.0)
    result = windvane.restore()
    assert result.exit_code == 0, result.output
    assert "Restored, up to checkpoint 1." in result.output
    assert f"The home of before is kept in {windvane.home.path}.before-" in result.output
    assert "The second place of checkpoints knew 1 later ones, and is kept as " in result.output
    assert "Taken over from it: 1 erasures, 0 revoked keys, what 0 subjects said of consent." in result.output
    assert "1 checkpoints: nothing was changed" in result.output
    assert "Next: `windvane up`" in result.output


def test_without_a_home_of_before_it_says_what_is_left_to_do_by_hand(windvane: Shell) -> None:
    windvane.back_up()
    shutil.rmtree(windvane.home.path)
    result = windvane.restore()
    assert result.exit_code == 0, result.output
    assert "erase again who was erased since" in result.output


def test_what_could_not_be_read_of_the_home_of_before_is_to_be_done_by_hand(windvane: Shell) -> None:
    windvane.back_up()
    (windvane.home.path / "windvane.db").unlink()
    result = windvane.restore()
    assert result.exit_code == 0, result.output
    assert "By hand: the former store does not say which keys were revoked" in result.output


def test_a_backup_whose_log_was_changed_is_put_back_and_told(windvane: Shell) -> None:
    [live] = (windvane.home.path / "log" / "flight-delay" / "live").iterdir()
    live.write_bytes(live.read_bytes().replace(b"d1", b"dX"))
    windvane.back_up()
    result = windvane.restore()
    assert result.exit_code == 1
    assert "damaged: flight-delay/" in result.output


def test_a_backup_that_does_not_fit_is_a_sentence(windvane: Shell) -> None:
    windvane.back_up()
    [archive] = windvane.places[0].iterdir()
    result = windvane("restore", str(archive))
    assert result.exit_code == 1
    assert "name the archive of the keys, with --keys" in result.output
