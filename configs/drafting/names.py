"""Hints in a column's name: a person, a protected group, a moment, an identifier, a subject."""

import re


def words(name: str) -> list[str]:
    """The lower-case words of a column name.

    >>> words("customerID"), words("IP address"), words("e-mail_2")
    (['customer', 'id'], ['ip', 'address'], ['e', 'mail'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", name)]


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as a list to look in."""
    return frozenset(text.split())


PERSONAL = words_of(
    """
    name firstname lastname surname forename fullname username email mail phone mobile telephone tel fax birth
    birthday birthdate dob born age address street city zip zipcode postcode postal latitude longitude ssn
    passport iban license licence taxid gender sex race ethnicity ethnic religion nationality citizenship
    marital disability pregnant orientation ip ipaddress mac patient health vorname nachname geburtsdatum alter
    strasse plz
    """
)
# Groups that laws against discrimination name, and a few languages' words for them.
PROTECTED = words_of(
    """
    race races racial ethnicity ethnic ethnicgroup caste sex sexe sexo gender geschlecht religion religious faith
    konfession nationality citizenship nationalitaet staatsangehörigkeit nationalité nacionalidad marital married
    maritalstatus familienstand disability disabled handicap pregnant pregnancy orientation transgender agegroup
    ageband agerange agebracket agecategory altersgruppe veteran immigrant foreigner migrant native indigenous
    hispanic hispan latino black africanamerican caucasian muslim jewish union
    """
)
_PROTECTED_PAIRS = (
    ("age", "group"), ("age", "band"), ("age", "range"), ("age", "bracket"), ("age", "cat"), ("age", "category"),
    ("age", "class"), ("native", "country"), ("country", "birth"), ("birth", "country"), ("foreign", "worker"),
    ("family", "status"), ("civil", "status"), ("skin", "color"), ("skin", "colour"), ("mother", "tongue"),
    ("etat", "civil"), ("estado", "civil"), ("trade", "union"), ("personal", "status"),
)  # fmt: skip
# What stands for origin, faith or race where these are not asked.
PROXIES = words_of("zip zipcode postcode postal postalcode plz neighborhood neighbourhood district quarter")
TIMES = words_of(
    """
    time timestamp ts date datetime day at when created updated month dt epoch unix datum zeit uhrzeit fecha
    """
)
IDENTIFIERS = words_of(
    """
    id ids uuid guid key no nr number num index idx unnamed row rownum rownames rowid serial seq sequence lfd
    record case case_id reference ref nummer
    """
)
SUBJECTS = words_of(
    """
    customer user account client patient member driver device household subject person employee student merchant
    vehicle machine sensor store tailnum card borrower applicant kunde id
    """
)


def is_protected(name: str) -> bool:
    """Whether a column seems to name groups that may not decide.

    >>> is_protected("age_group"), is_protected("Race"), is_protected("age"), is_protected("race_time")
    (True, True, False, False)
    """
    found = words(name)
    if {"time", "distance", "number"} & set(found):
        return False  # a race that is run
    joined = "".join(found)
    pairs = any(set(pair) <= set(found) for pair in _PROTECTED_PAIRS)
    return pairs or joined in PROTECTED or bool((PROTECTED - {"native", "union", "black"}) & set(found))


def is_proxy(name: str) -> bool:
    """Whether a column seems to tell where somebody lives, closely enough to stand for a protected group."""
    return bool(PROXIES & {*words(name), "".join(words(name))})
