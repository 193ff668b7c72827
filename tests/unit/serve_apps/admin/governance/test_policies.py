"""Policy sets by way of people: who may ask, who may approve, and replicas told of every change."""

from datetime import UTC, datetime

import pytest

from tests.worlds.bundles import SPEC
from tests.worlds.policies import PACKAGED, rule
from windvane.backtest.memory import MemoryStore
from windvane.cluster.errors import Denied, Forbidden, Invalid, NotFound, Unavailable
from windvane.cluster.policies.cedar_policy import taken
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.consent import ConsentRecords
from windvane.cluster.policies.mandate import mandate_of
from windvane.cluster.policies.policy import CallerFacts, Mandate
from windvane.cluster.policies.policy_library import POLICY_SET, PolicyLibrary
from windvane.cluster.policies.policy_set import PolicySet
from windvane.configs.schema import Purpose
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.governance.consents import ConsentAdmin
from windvane.serve_apps.admin.governance.policies import PolicyAdmin
from windvane.serve_apps.admin.governance.review_watch import ReviewWatch
from windvane.serve_apps.sync.topics import CONSENTS, POLICY

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ADMIN, OTHER_ADMIN, OFFICER, OWNER, CLIENT = (
    CallerFacts(name, frozenset({role}))
    for name, role in (
        *(("ann", "admin"), ("bob", "admin"), ("eve", "compliance"), ("jo", "owner"), ("shop", "client")),
    )
)
FOR_TRIPS = CallerFacts("front-desk", frozenset({"client"}), frozenset({"trips"}))
STRICTER = PolicySet({**PACKAGED.files, "more.cedar": rule("forbid (principal, action, resource)", "nothing")})
MORE = PolicySet(
    {**PACKAGED.files, "more.cedar": rule('permit (principal in Role::"owner", action, resource)', "more")}
)
# Asks for no second person from then on.
LOOSER = PolicySet({name: text.replace('@requires("approval")\n', "") for name, text in PACKAGED.files.items()})
GOVERNED = SPEC.model_copy(update={"purposes": (Purpose(name="planning", consent=False), Purpose(name="research"))})


class Board:
    """Board of posts; `away` raises, `slow` has replicas that do not come back."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str]] = []
        self.away = self.slow = False

    def post(self, topic: str, body: str, patience_seconds: float, revision: int | None = None) -> bool:
        assert patience_seconds > 5.0
        assert (revision is None) == (topic == CONSENTS)
        if self.away:
            raise Unavailable("the Switchboard restarts")
        self.posts.append((topic, body))
        return not self.slow

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.posts]


class Office:
    """Everything that people can ask of control about policies, over one store."""

    def __init__(self) -> None:
        self.store, self.board = MemoryStore(), Board()
        self.library = PolicyLibrary(self.store, compile_policies)
        self.admin_policy = AdminPolicy(self.library, taken, self._mandate)
        self.policies = PolicyAdmin(self.library, self.admin_policy, self.board.post, lambda: NOW)
        self.consents = ConsentAdmin(
            ConsentRecords(self.store), self.admin_policy, self._mandate, self.board.post, lambda: NOW
        )

    def _mandate(self, model: str) -> Mandate | None:
        return mandate_of(GOVERNED) if model == "trips" else None

    def in_force(self) -> PolicySet:
        found = self.library.in_force()
        assert found is not None
        return found.written


@pytest.fixture
def office() -> Office:
    made = Office()
    made.library.install(PACKAGED, "windvane", "the first set", NOW)
    return made


# ---- policy sets ----


def test_without_a_set_in_force_nothing_is_allowed_also_not_to_publish_one() -> None:
    empty = Office()
    with pytest.raises(Unavailable, match="windvane policy install"):
        empty.policies.publish(PACKAGED, "first", ADMIN)
    assert empty.policies.standing() == {"live": None, "proposal": None, "before": []}
    assert empty.policies.tell()
    assert empty.board.posts == []


def test_a_set_waits_for_a_second_person_and_is_then_in_force_everywhere(office: Office) -> None:
    asked = office.policies.publish(STRICTER, "freeze", ADMIN)
    assert asked["standing"]["proposal"] is not None
    assert asked["standing"]["proposal"]["requested_by"] == "ann"
    assert office.in_force() == PACKAGED
    for nobody, error in ((ADMIN, Denied), (OWNER, Denied), (CLIENT, Denied)):
        with pytest.raises(error):
            office.policies.approve(STRICTER.version, "fine", nobody)
    approved = office.policies.approve(STRICTER.version[:8], "fine", OFFICER)
    assert approved["replicas_told"]
    live = approved["standing"]["live"]
    assert live is not None
    assert (live["number"], live["requested_by"], live["approved_by"]) == (2, "ann", "eve")
    assert office.in_force() == STRICTER
    assert office.board.topics() == [POLICY, POLICY]  # the first set, when something changed; and this one
    with pytest.raises(Denied):  # it counts for control at once
        office.admin_policy.demand(OWNER, "train", "trips")


def test_a_set_may_not_let_go_of_the_second_person_by_itself(office: Office) -> None:
    """The set in force decides how it may be replaced; who wrote the next one does not approve it by another name."""
    office.policies.publish(LOOSER, "quicker", ADMIN)
    with pytest.raises(Forbidden):
        office.policies.approve(LOOSER.version, "fine", CallerFacts("ANN", frozenset({"admin"})))
    office.policies.approve(LOOSER.version, "fine", OTHER_ADMIN)
    change = office.policies.publish(MORE, "more", ADMIN)
    assert (change["standing"]["proposal"], office.in_force()) == (None, MORE)


@pytest.mark.parametrize("caller", [OFFICER, OWNER, CLIENT])
def test_only_an_admin_asks_for_a_change(office: Office, caller: CallerFacts) -> None:
    with pytest.raises(Denied):
        office.policies.publish(STRICTER, "freeze", caller)
    assert office.library.register().proposal is None


def test_a_broken_set_is_refused_and_what_is_in_force_stays(office: Office) -> None:
    with pytest.raises(Invalid):
        office.policies.publish(PolicySet({**PACKAGED.files, "x.cedar": "permit ("}), "oops", ADMIN)
    assert office.in_force() == PACKAGED
    assert len(office.store.list(POLICY_SET)) == 1


@pytest.mark.parametrize(("caller", "may"), [(ADMIN, True), (OFFICER, True), (OTHER_ADMIN, True), (CLIENT, False)])
def test_who_asked_may_withdraw_and_so_may_who_could_approve(office: Office, caller: CallerFacts, may: bool) -> None:
    office.policies.publish(STRICTER, "freeze", ADMIN)
    if may:
        assert office.policies.withdraw(STRICTER.version, "no", caller)["standing"]["proposal"] is None
    else:
        with pytest.raises(Denied):
            office.policies.withdraw(STRICTER.version, "no", caller)
    with pytest.raises(NotFound):
        office.policies.withdraw("0" * 64, "no", caller)


def test_replicas_that_could_not_be_told_are_told_again(office: Office) -> None:
    office.board.away = True
    office.policies.publish(LOOSER, "quicker", ADMIN)
    assert not office.policies.approve(LOOSER.version, "fine", OFFICER)["replicas_told"]
    with pytest.raises(Unavailable):
        office.policies.tell()
    office.board.away = False
    assert office.policies.tell()
    assert office.policies.tell()
    assert office.board.topics() == [POLICY]


def test_a_set_that_whoever_holds_the_store_installed_reaches_replicas_too(office: Office) -> None:
    assert office.policies.tell()
    office.library.install(STRICTER, "whoever holds the store", "locked out", NOW)
    assert office.policies.tell()
    assert office.board.topics() == [POLICY, POLICY]
    assert STRICTER.files["more.cedar"].split()[0] in office.board.posts[-1][1].replace('\\"', '"')


# ---- consents ----


def test_a_withdrawal_is_answered_once_every_replica_goes_by_it(office: Office) -> None:
    said = office.consents.record("ann-1", {"research": False}, None, CLIENT)
    assert said == {"purposes": {"research": {"given": False, "at": NOW.isoformat(), "by": "shop"}}}
    assert office.board.topics() == [CONSENTS]
    office.board.slow = True
    with pytest.raises(Unavailable, match="send it again"):
        office.consents.record("ann-1", {"research": True}, None, CLIENT)
    assert office.consents.of("ann-1", OFFICER)["purposes"]["research"]["given"]  # it is noted all the same


def test_who_has_to_do_with_one_model_records_consent_to_its_purposes_only(office: Office) -> None:
    with pytest.raises(Denied):
        office.consents.record("ann-1", {"research": True}, None, FOR_TRIPS)
    with pytest.raises(Denied):
        office.consents.record("ann-1", {"research": True}, "bus", FOR_TRIPS)
    with pytest.raises(Invalid, match="declares other purposes: planning, research"):
        office.consents.record("ann-1", {"marketing": True}, "trips", FOR_TRIPS)
    assert office.consents.record("ann-1", {"research": True}, "trips", FOR_TRIPS)["purposes"].keys() == {"research"}


def test_who_has_to_do_with_one_model_learns_of_no_consent_to_purposes_of_others(office: Office) -> None:
    """The reply of PUT told what the subject had said to every other tenant, when, and who recorded it."""
    office.consents.record("ann-1", {"oncology-trial": True, "planning": False}, None, CLIENT)
    said = office.consents.record("ann-1", {"research": True}, "trips", FOR_TRIPS)
    assert said["purposes"].keys() == {"planning", "research"}
    assert office.consents.of("ann-1", FOR_TRIPS) == said
    assert office.consents.of("ann-1", OFFICER)["purposes"].keys() == {"oncology-trial", "planning", "research"}


@pytest.mark.parametrize(
    ("models", "purposes"), [({"bus", "trips"}, {"planning", "research"}), ({"bus"}, set()), ({"no-such"}, set())]
)
def test_a_scope_sees_consents_to_what_its_deployed_models_declare(
    office: Office, models: set[str], purposes: set[str]
) -> None:
    office.consents.record("ann-1", {"oncology-trial": True, "planning": False, "research": True}, None, CLIENT)
    caller = CallerFacts("front-desk", frozenset({"client"}), frozenset(models))
    assert office.consents.of("ann-1", caller)["purposes"].keys() == purposes


@pytest.mark.parametrize("caller", [CallerFacts("new", frozenset({"client"}), frozenset()), OWNER])
def test_who_may_record_no_consent_reads_none(office: Office, caller: CallerFacts) -> None:
    with pytest.raises(Denied):
        office.consents.of("ann-1", caller)


def test_a_policy_may_let_a_caller_of_all_models_record_consent_to_one(office: Office) -> None:
    narrow = rule('forbid (principal, action == Action::"record_consent", resource is System)', "by-model")
    office.library.install(PolicySet({**PACKAGED.files, "more.cedar": narrow}), "x", "y", NOW)
    assert office.consents.record("ann-1", {"research": True}, "trips", CLIENT)["purposes"].keys() == {"research"}


def test_an_operator_records_nobodys_consent(office: Office) -> None:
    with pytest.raises(Denied):
        office.consents.record("ann-1", {"research": True}, None, CallerFacts("ops", frozenset({"operator"})))


# ---- admin actions ----


@pytest.mark.parametrize(
    ("caller", "action", "may"),
    [
        (OWNER, "deploy", True),
        (OWNER, "promote", True),
        (CallerFacts("ops", frozenset({"operator"})), "roll_back", True),
        (CallerFacts("ops", frozenset({"operator"})), "promote", False),
        (OFFICER, "train", False),
        (CLIENT, "deploy", False),
        (CallerFacts("jo", frozenset({"owner"}), frozenset({"bus"})), "train", False),
    ],
)
def test_who_may_do_what_to_a_model(office: Office, caller: CallerFacts, action: str, may: bool) -> None:
    if may:
        office.admin_policy.demand(caller, action, "trips")
    else:
        with pytest.raises(Denied):
            office.admin_policy.demand(caller, action, "trips")


def test_a_model_that_is_not_deployed_yet_may_be_deployed_and_a_stranger_does_not_learn_which_are(
    office: Office,
) -> None:
    office.admin_policy.demand(OWNER, "deploy", "new")
    told = []
    for model in ("trips", "no-such"):
        with pytest.raises(Denied) as caught:
            office.admin_policy.demand(FOR_TRIPS if model == "no-such" else CLIENT, "deploy", model)
        told.append(caught.value.policies)
    assert told == [(), ("model-scope",)]


# ---- reviews ----


def test_an_overdue_review_is_told_once_for_the_model_or_the_policy(office: Office) -> None:
    late = PACKAGED.files["decide.cedar"].replace('@review_by("2027-10-01")', '@review_by("2026-11-20")', 1)
    office.library.install(PolicySet({**PACKAGED.files, "decide.cedar": late}), "x", "y", NOW)
    models = (GOVERNED.model_copy(update={"review_by": datetime(2026, 11, 21, tzinfo=UTC)}), SPEC)
    for _ in range(2):
        watch = ReviewWatch(office.store, office.admin_policy)
        watch.tick(models, NOW)
        watch.tick(models, NOW)
    found = [event for event in office.store.events() if event.kind == "finding"]
    assert [(event.model, event.detail) for event in found] == [
        ("trips", "The review of model trips is a day overdue (2026-11-21); ops@example.org owns it"),
        (
            "*",
            "The review of policy clients-decide is 2 days overdue (2026-11-20); compliance@example.org owns it",
        ),
    ]
    assert dict(found[1].facts) == {
        "monitor": "review",
        "subject": "policy clients-decide",
        "owner": "compliance@example.org",
        "days": 2,
    }
