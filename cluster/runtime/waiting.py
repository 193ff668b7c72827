"""Decides what waits for what on the cluster, and what there is to do, from what Serve and Ray say of themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_ROUNDING = 1e-6  # of a CPU: Ray counts in ten-thousandths
SERVES_WORDS = "to be scheduled"  # Serve's own, half a minute after it asked for a replica
JOBS_WORDS = "It may be waiting for"  # Ray's own, behind which it says what a job that has not started may wait for


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that has not started, and the CPUs that it needs to; `said` is Ray's own sentence, where it has one."""

    who: str
    model: str | None
    cpus: float
    said: str = ""
    gives_way: str = ""  # what else would help, such as a setting
    counted: bool = False  # whether CPUs that it has may count as used already, although it has not started


@dataclass(frozen=True, slots=True)
class Wait:
    """One that waits: who, for what, since when."""

    model: str | None
    sentence: str
    since: datetime


def replicas_to_come(applications: Mapping[str, Mapping[str, Any]]) -> list[Demand]:
    """Replicas that Serve has asked Ray for and that have no process yet, from the details of its applications."""
    found = []
    for name, application in applications.items():
        for deployment in (application.get("deployments") or {}).values():
            missing = int(deployment.get("target_num_replicas") or 0) - len(_placed(deployment))
            if missing <= 0 or application.get("status") == "DEPLOY_FAILED":
                continue
            cpus = _cpus(deployment)
            said = str(deployment.get("message") or application.get("message") or "")
            demand = Demand(name, name, cpus, said, f"give {name} less with serving.num_cpus", counted=True)
            found += [demand] * missing
    return found


def held(applications: Mapping[str, Mapping[str, Any]]) -> float:
    """CPUs of all replicas that run."""
    deployments = [each for app in applications.values() for each in (app.get("deployments") or {}).values()]
    return sum(_cpus(each) * len(_placed(each)) for each in deployments)


def _placed(deployment: Mapping[str, Any]) -> list[Any]:
    return [each for each in deployment.get("replicas") or () if each.get("node_id")]


def _cpus(deployment: Mapping[str, Any]) -> float:
    options = (deployment.get("deployment_config") or {}).get("ray_actor_options") or {}
    return float(options.get("num_cpus") or 0.0)


def jobs_to_come(jobs: Iterable[Mapping[str, Any]]) -> list[Demand]:
    """Jobs that have not started, from the list of Ray's jobs."""
    found = []
    for job in jobs:
        if job.get("status") == "PENDING":
            model = (job.get("metadata") or {}).get("model")
            cpus = float(job.get("entrypoint_num_cpus") or 0.0)
            found.append(Demand(f"job {job.get('submission_id')}", model, cpus, str(job.get("message") or "")))
    return found


def groups_to_come(groups: Iterable[Mapping[str, Any]]) -> list[Demand]:
    """Placement groups that wait, which are those of trainings, from Ray's table of them."""
    found = []
    for group in groups:
        if group.get("state") in ("PENDING", "RESCHEDULING"):
            bundles = (group.get("bundles") or {}).values()
            cpus = sum(float(bundle.get("CPU", 0.0)) for bundle in bundles)
            found.append(Demand("a training", None, cpus))
    return found


def waits(
    demands: Sequence[Demand], free: float, total: float, held: float, known: Sequence[Wait], now: datetime
) -> tuple[Wait, ...]:
    """Demands that cannot start now; each keeps the moment since when `known` has it waiting.

    Of the `total` CPUs those that are neither free nor `held` by what runs belong to what is starting already.
    """
    since = {(wait.model, _who(wait.sentence)): wait.since for wait in known}
    starting = total - free - held + _ROUNDING
    found: list[Wait] = []
    for demand in demands:
        if demand.counted and demand.cpus <= starting:
            starting -= demand.cpus
            continue
        sentence = _sentence(demand, free, total)
        if sentence and all(sentence != each.sentence for each in found):
            found.append(Wait(demand.model, sentence, since.get((demand.model, demand.who), now)))
    return tuple(found)


def short_of_memory(free_bytes: int, model_bytes: int) -> str:
    """Sentence where the next model finds no memory; empty where it does.

    >>> short_of_memory(300_000_000, 600_000_000)
    '0.3 GB of memory are free, and a model takes 0.6 GB: take one out of service with `windvane undeploy MODEL`'
    >>> short_of_memory(700_000_000, 600_000_000)
    ''
    """
    if free_bytes >= model_bytes:
        return ""
    free, model = f"{free_bytes / 1e9:.1f} GB", f"{model_bytes / 1e9:.1f} GB"
    way = "take one out of service with `windvane undeploy MODEL`"
    return f"{free} of memory are free, and a model takes {model}: {way}"


def _sentence(demand: Demand, free: float, total: float) -> str:
    """Empty where nothing is missing: it is only starting.

    >>> _sentence(Demand("a training", None, 1.0), 0.75, 2.0)
    'a training waits for 1 CPU, 0.75 of 2 free: take a model out of service with `windvane undeploy MODEL`'
    """
    if demand.cpus > free + _ROUNDING:
        ways = " or ".join(
            filter(None, ("take a model out of service with `windvane undeploy MODEL`", demand.gives_way))
        )
        return f"{demand.who} waits for {demand.cpus:g} CPU, {free:g} of {total:g} free: {ways}"
    if demand.who.startswith("job ") and JOBS_WORDS in demand.said:
        return f"{demand.who} waits to start: {' '.join(demand.said.split())}"
    if SERVES_WORDS in demand.said:
        return f"{demand.who} waits for a place: {' '.join(demand.said.split())}"
    return ""


def _who(sentence: str) -> str:
    return sentence.partition(" waits ")[0]
