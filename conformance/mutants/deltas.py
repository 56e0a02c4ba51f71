"""Faults of what is published of a data store (chapters 9 and 10)."""

import time
from typing import Any

import zmq

from mutants.peer import Body, Messages, Mutant
from mutants.publication import Manual
from mutants.registry import fault
from wri_proto.v1.data_store_pb2 import AllDeltas
from wri_reference._keys import KeyPair
from wri_reference._store import TOPICS

DELTAS = "publisher/deltas"
STREAM = f"{DELTAS}/stream::stream::WRI-"
RUN = f"{DELTAS}/run::"
REPLAYS = ("to-the-middle", "to-the-end", "from-the-middle")


def parts(batch: AllDeltas) -> list[Any]:
    """Return the deltas of a batch."""
    return [getattr(batch, topic) for topic in TOPICS if batch.HasField(topic)]


# -- messages and batches


@fault("part-of-all-only", [f"{STREAM}PUB-8"])
class PartOfAllOnly(Mutant):
    """Publishes the changes of jobs together with others only."""

    def messages(self, batch: AllDeltas) -> Messages:
        return [one for one in super().messages(batch) if one[0] != b"jobs"]


@fault("all-but-jobs", [f"{STREAM}PUB-9"])
class AllButJobs(Mutant):
    """Publishes the changes of jobs by themselves only."""

    def messages(self, batch: AllDeltas) -> Messages:
        alone = super().messages(batch)[:-1]
        batch.ClearField("jobs")
        return [*alone, (b"all", batch.SerializeToString())]


@fault("junk-on-a-topic", [f"{STREAM}PUB-10"])
class JunkOnATopic(Mutant):
    """Publishes something else on the topic of jobs as well."""

    def messages(self, batch: AllDeltas) -> Messages:
        return [(b"jobs", b"\xff"), *super().messages(batch)]


@fault("all-differs", [f"{STREAM}PUB-11"])
class AllDiffers(Mutant):
    """Says another thing about the workflow on the topic `all`."""

    def messages(self, batch: AllDeltas) -> Messages:
        alone = super().messages(batch)[:-1]
        batch.workflow.updated.status_msg = "something else"
        return [*alone, (b"all", batch.SerializeToString())]


@fault("all-too-late", [f"{STREAM}PUB-12", f"{STREAM}PUB-9"])
class AllTooLate(Mutant):
    """Publishes `all` when the next batch has begun."""

    late: Messages = ()

    def messages(self, batch: AllDeltas) -> Messages:
        first, *rest, last = super().messages(batch)
        late, self.late = self.late, [last]
        return [first, *late, *rest]


@fault("publishes-when-asked", [f"{STREAM}*"])
class PublishesWhenAsked(Mutant):
    """Publishes when a client asks for something, and at no other time."""

    asked = False

    def answer(self, body: Body) -> bytes:
        self.asked = True
        return super().answer(body)

    def publish_queued_items(self) -> None:
        if self.asked or self._reason is not None:
            super().publish_queued_items()
        self.asked = False


# -- times, checksums, ids, stamps


@fault("times-differ", [f"{STREAM}DELTA-2"])
class TimesDiffer(Mutant):
    """Gives the changes of jobs a time of their own."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        if batch.HasField("jobs"):
            batch.jobs.time += 0.001


@fault("time-goes-back", [f"{STREAM}DELTA-3"])
class TimeGoesBack(Mutant):
    """Sets the clock back every second time."""

    back = False

    def spoil_batch(self, batch: AllDeltas) -> None:
        self.back = not self.back
        for part in parts(batch):
            part.time -= 60 * self.back


@fault("no-checksums", [f"{STREAM}DELTA-5"])
class NoChecksums(Mutant):
    """Publishes task proxies without a checksum."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        batch.task_proxies.ClearField("checksum")


@fault("no-id", [f"{STREAM}DELTA-6"])
class NoId(Mutant):
    """Does not say which task proxy has changed."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        for element in batch.task_proxies.updated:
            element.ClearField("id")


@fault("no-stamp", [f"{STREAM}DELTA-7"])
class NoStamp(Mutant):
    """Changes jobs without a new stamp."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        for element in batch.jobs.updated:
            element.ClearField("stamp")


@fault("added-and-updated", [f"{STREAM}DELTA-10"])
class AddedAndUpdated(Mutant):
    """Publishes a new job as new and as changed."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        batch.jobs.updated.extend(batch.jobs.added)


@fault("wrong-checksums", [f"{RUN}{step}::WRI-DELTA-4" for step in REPLAYS])
class WrongChecksums(Mutant):
    """Publishes the checksums of something else."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        for part in parts(batch):
            if part is not batch.workflow and part.HasField("checksum"):
                part.checksum ^= 1


@fault("secret-change", [f"{RUN}{step}::WRI-DELTA-1" for step in REPLAYS])
class SecretChange(Mutant):
    """Does not publish in which state a job is."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        for element in batch.jobs.updated:
            element.ClearField("state")


@fault(
    "reload-unsaid",
    [
        f"{RUN}second-part::*",
        f"{RUN}to-the-end::WRI-DELTA-4",
        f"{RUN}from-the-middle::WRI-DELTA-4",
    ],
)
class ReloadUnsaid(Mutant):
    """Publishes everything anew at a reload, and does not say that the old is void."""

    def spoil_batch(self, batch: AllDeltas) -> None:
        for part in parts(batch):
            part.reloaded = False


# -- the end


@fault(
    "one-reason-for-all",
    [
        f"{DELTAS}/automatic::end::WRI-PUB-20",
        f"{DELTAS}/reasons/kill::end::WRI-PUB-20",
        f"{DELTAS}/reasons/clean::end::WRI-PUB-20",
    ],
)
class OneReasonForAll(Mutant):
    """Gives the same reason whatever the reason."""

    def publish(self, topic: str, _payload: bytes) -> None:
        super().publish(topic, b"REQUEST(NOW)")


@fault("last-batch-lost", [f"{DELTAS}/reasons/clean::end::WRI-PUB-19"])
class LastBatchLost(Mutant):
    """Does not publish what changed last before its end."""

    def messages(self, batch: AllDeltas) -> Messages:
        return [] if self._scheduler.stopped else super().messages(batch)


# -- who gets what, and when


@fault(
    "exact-topics-only",
    [f"{DELTAS}/topics::{step}::WRI-PUB-5" for step in ("everything", "prefix")],
)
class ExactTopicsOnly(Manual):
    """Serves those only who name a topic as it is."""

    def subscribe(self, topic: bytes) -> None:
        if topic.decode() in {*TOPICS, "all", "shutdown"}:
            self._publications.setsockopt(zmq.SUBSCRIBE, topic)


@fault("topics-without-case", [f"{DELTAS}/topics::capitals::WRI-PUB-5"])
class TopicsWithoutCase(Manual):
    """Makes no difference between upper and lower case in topics."""

    def subscribe(self, topic: bytes) -> None:
        self._publications.setsockopt(zmq.SUBSCRIBE, topic.lower())


@fault(
    "greets-everybody",
    [
        f"{DELTAS}/topics::{step}::WRI-PUB-5"
        for step in ("exact", "prefix", "twice", "capitals", "nothing")
    ],
)
class GreetsEverybody(Mutant):
    """Sends a greeting to whoever connects."""

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, keys: KeyPair
    ) -> zmq.Socket[bytes]:
        bound = super()._bound_socket(context, zmq.XPUB if kind == zmq.PUB else kind, keys)
        if kind == zmq.PUB:
            bound.setsockopt(zmq.XPUB_WELCOME_MSG, b"welcome")
        return bound


@fault("first-come-only-served", [f"{DELTAS}/late::*"])
class FirstComeOnlyServed(Manual):
    """Serves the first subscriber and no other."""

    served = False

    def subscribe(self, topic: bytes) -> None:
        if not self.served:
            self._publications.setsockopt(zmq.SUBSCRIBE, topic)
        self.served = True


@fault("mute-after-a-bad-request", [f"{DELTAS}/hostile/not-json::goes-on::WRI-PUB-14"])
class MuteAfterABadRequest(Mutant):
    """Publishes nothing any more after a request that it refused."""

    mute = False

    def answer(self, body: Body) -> bytes:
        response = super().answer(body)
        self.mute = self.mute or response.startswith(b'{"error"')
        return response

    def messages(self, batch: AllDeltas) -> Messages:
        return [] if self.mute else super().messages(batch)


@fault("publishes-when-idle", [f"{DELTAS}/load::goes-on::WRI-PUB-15"])
class PublishesWhenIdle(Mutant):
    """Publishes when nobody has asked for a while."""

    last = 0.0

    def answer(self, body: Body) -> bytes:
        self.last = time.monotonic()
        return super().answer(body)

    def publish_queued_items(self) -> None:
        if time.monotonic() > self.last + 0.2:
            super().publish_queued_items()


@fault("waits-for-slow-subscribers", [f"{DELTAS}/slow::*"])
class WaitsForSlowSubscribers(Mutant):
    """Does not go on before each subscriber has taken what is published."""

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, keys: KeyPair
    ) -> zmq.Socket[bytes]:
        if kind != zmq.PUB:
            return super()._bound_socket(context, kind, keys)
        context.setsockopt(zmq.SNDHWM, 1)  # of its sockets from now on; this one is the last
        bound = super()._bound_socket(context, zmq.XPUB, keys)
        bound.setsockopt(zmq.XPUB_NODROP, 1)
        return bound


@fault("forgets-slow-subscribers", [f"{DELTAS}/slow::slow::WRI-PUB-18"])
class ForgetsSlowSubscribers(Manual):
    """Publishes nothing more for whoever came last, after some time."""

    began = 0.0

    def subscribe(self, topic: bytes) -> None:
        self._publications.setsockopt(zmq.SUBSCRIBE, topic)
        self.began = time.monotonic()

    def publish_queued_items(self) -> None:
        if self.began and time.monotonic() > self.began + 1:
            self._publications.setsockopt(zmq.UNSUBSCRIBE, b"")
        super().publish_queued_items()
