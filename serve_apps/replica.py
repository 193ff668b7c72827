"""Puts one Gateway replica together: its parts, what they follow, their start and their end."""

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decision_log.audit.checkpoints import checkpoints_of, last_signed
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.write.segment import header_for
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.errors import Unavailable
from windvane.cluster.policies.cedar_policy import taken
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.consent import ConsentRecords
from windvane.cluster.policies.mandate import keep_mandate, mandate_of
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.storage.storage import Storage
from windvane.cluster.store import Shelf
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.counts import Tally
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.endpoints import ingress
from windvane.serve_apps.endpoints.authentication import Authentication
from windvane.serve_apps.endpoints.data_plane import DataPlane
from windvane.serve_apps.endpoints.http_app import HttpApp
from windvane.serve_apps.endpoints.oip_grpc import OipGrpc
from windvane.serve_apps.endpoints.refusal_log import RefusalLog, Refused
from windvane.serve_apps.endpoints.request_counts import RequestCounts
from windvane.serve_apps.pipeline.decider import Decider, ServedModel
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.pipeline.protected_log import ProtectedLog
from windvane.serve_apps.pipeline.shadows import Shadows
from windvane.serve_apps.sync.consents import Consents
from windvane.serve_apps.sync.erasures import Erasures
from windvane.serve_apps.sync.key_subscriber import KeySubscriber
from windvane.serve_apps.sync.policy_in_force import PolicyHolder
from windvane.serve_apps.sync.replica_lines import ReplicaLines
from windvane.serve_apps.sync.report_sender import ReportSender
from windvane.serve_apps.sync.shipping import Shipping
from windvane.serve_apps.sync.split_subscriber import SplitSubscriber
from windvane.serve_apps.sync.topic_reader import TopicReader
from windvane.serve_apps.sync.topics import CONSENTS, KEYS, POLICY, News, split_topic
from windvane.serve_apps.traffic.loaded_versions import LoadedReport, LoadedVersions
from windvane.serve_apps.traffic.router import SPLIT, Split
from windvane.serve_apps.versions.loaded_version import LoadedVersion, load_version

COLLECTED_AFTER = (20_000, 20, 20)  # new objects, and rounds of that: with Python's 700 it takes 10 us a request
ANSWERING_SECONDS, LOG_SECONDS, STEP_SECONDS = 8.0, 5.0, 1.0  # that a step of the end may take: Serve gives it 20
logger = logging.getLogger(__name__)


class Replica:
    """Everything one process needs to answer for one model; make it on the event loop that will run it."""

    def __init__(
        self,
        spec: ModelSpec,
        name: str,
        storage: Storage,
        lines: ReplicaLines,
        authenticator: Authenticator,
        local: bool = True,
        writer: Callable[..., Writer] = Writer,
    ) -> None:
        """`name` is this process's and no other's, also after a restart; `local` is `Settings.is_local`."""
        loop = asyncio.get_running_loop()
        self.spec = spec
        store, vault = storage.store, storage.vault
        self._storage = storage
        self._profiles: dict[int, Profile] = {}
        self._log = writer(
            storage.log_of(spec.name),
            header_for(spec.name, f"gateway-{name}", spec.features, spec.serving.durability),
            loop,
            write_ahead=vault,
            signed_until=partial(last_signed, checkpoints_of(storage.home)),
        )
        log = ProtectedLog(self._log, Protection(vault, spec.features))
        counts = Tally(spec.name, self._profiles, spec.monitor.window.total_seconds())
        self._held: frozenset[int] = frozenset()  # versions, when `_loaded_versions` last changed
        self._loaded_versions = LoadedVersions(self._load, changed=self._changed)
        keys = KeySubscriber(KeyBook(store).snapshot, authenticator)
        splits = SplitSubscriber(self._stored_split, self._loaded_versions)
        # On its own: a split waits for no consents that are reloaded.
        reporting = lines.topics(self._report)
        self._splits_and_keys = TopicReader(
            reporting, {split_topic(spec.name): splits, KEYS: keys}, by_store=True, heard=self._heard
        )
        self._reports = ReportSender(reporting)
        self._shadows = Shadows(self._log, counts)
        self._mandate = mandate_of(spec)
        policies = PolicyHolder(PolicyLibrary(store, compile_policies).in_force, taken)
        consents = Consents(ConsentRecords(store, vault.hash), self._mandate.consent_for, vault.hash)
        self._policies_and_consents = TopicReader(lines.topics(None), {POLICY: policies, CONSENTS: consents})
        policy_check = PolicyCheck(self._mandate, policies, consents, lambda: self._policies_and_consents.is_fresh)
        model = ServedModel(spec, self._loaded_versions, policy_check)
        self._decider = Decider(model, log, counts, self._shadows, loop, unit=vault.hash)
        self._erasures = Erasures(vault, self._decider.forget)
        self._shipping = Shipping(counts, lines.monitor)
        self._authenticator = authenticator
        authentication = Authentication(spec.name, authenticator, RefusalLog(record=self._put_on_record))
        data_plane = DataPlane(model, authentication, self._decider, RequestCounts(counts))
        self.http_app = HttpApp(data_plane, self._log, self.start, self.stop)
        self.oip_grpc = OipGrpc(data_plane, local)
        self._local_replica = ingress.LocalReplica(self._decider.admission, self.http_app, loop)

    @property
    def past_serve(self) -> int:
        """Requests that are being answered without Serve knowing of them."""
        return self._local_replica.ongoing

    def check_health(self) -> None:
        """Raise Unavailable when this process can never decide again, so that another has to take its place."""
        self._log.demand_open()

    def demand_in_front(self) -> None:
        """Raise Unavailable unless requests come to this process past Serve, bounded."""
        ingress.demand_in_front(self._local_replica)

    async def start(self) -> None:
        """Load what the stored split needs, then follow the Switchboard; raises when that split cannot be served, and
        when the keys cannot be read.

        Without a stored split the replica starts and is not ready until one is published. Without a stored policy set
        it starts and denies until one is in force.
        """
        await asyncio.to_thread(keep_mandate, self._storage.store, self._mandate)
        await self._policies_and_consents.start()
        await self._splits_and_keys.start()
        await self._loaded_versions.settled()
        await self._authenticator.start()
        self._reports.start()
        self._shipping.start()
        self._erasures.start()
        ingress.guard(self._local_replica)
        gc.collect()
        gc.freeze()  # what was loaded stays; the collector need not walk it under traffic
        gc.set_threshold(*COLLECTED_AFTER)

    async def stop(self) -> None:
        """Answer who waits, log and ship what is left, let go of the log; no step keeps the next from it."""
        await self._end("erasures", self._erasures.stop, STEP_SECONDS)
        await self._end("splits and keys", self._splits_and_keys.stop, STEP_SECONDS)
        await self._end("reports", self._reports.stop, STEP_SECONDS)
        ingress.leave(self._local_replica)
        await self._end("answering", self._decider.drain, ANSWERING_SECONDS)
        await self._end("shadows", self._shadows.drain, STEP_SECONDS)
        await self._end("the log", lambda: asyncio.to_thread(self._log.close), LOG_SECONDS)
        for what, end in (
            ("policies and consents", self._policies_and_consents.stop),
            ("shipping", self._shipping.stop),
            ("authentication", self._authenticator.stop),
            ("loading", self._loaded_versions.close),
        ):
            await self._end(what, end, STEP_SECONDS)

    async def _end(self, what: str, end: Callable[[], Awaitable[None]], patience_seconds: float) -> None:
        try:
            async with asyncio.timeout(patience_seconds):
                await end()
        except Exception:
            logger.exception("Ending %s of %s was given up; the rest is ended", what, self.spec.name)

    def _put_on_record(self, refused: Refused) -> None:
        """Log a refusal without waiting for the disk; raises Unavailable when that is too far behind."""
        self._log.append(refused.act(self.spec.name, time.time()))

    def _report(self) -> LoadedReport:
        """Report this replica's state; nothing is in force where nothing can be logged."""
        try:
            self._log.demand_writable()
        except Unavailable as error:
            return LoadedReport(0, (), str(error))
        return self._loaded_versions.report()

    def _changed(self) -> None:
        """`_loaded_versions` has other versions, or another split: forget what is known of those that were let go."""
        held = frozenset(self._loaded_versions.loaded)
        for number in self._held - held:  # and of no other: one that is being loaded is not held yet
            self._profiles.pop(number, None)
        self._held = held
        self._reports.changed()

    def _stored_split(self) -> Split | None:
        return Shelf(self._storage.store, SPLIT, Split).load(self.spec.name)[0]

    def _heard(self, news: News) -> None:
        """The model's replicas share its callers' limits."""
        self._authenticator.rates.replicas = news.replicas

    def _load(self, number: int) -> LoadedVersion:
        """Blocking: runs in the thread of `LoadedVersions`."""
        folder = self._storage.registry.fetch(self.spec.name, number, self._storage.version_cache)
        version = load_version(number, folder, self.spec)
        self._profiles[number] = Profile.from_json(version.bundle.profile_path.read_bytes())
        return version
