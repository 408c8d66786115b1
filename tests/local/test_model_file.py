"""A file of one's own models: served as it is, or refused with the place of what is wrong."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from emulators.bedrock import Emulator
from emulators.models import Model, plausible_models
from local.model_file import ModelFileError, likely_account, read_models
from tests.api import Api

Read: TypeAlias = Callable[[object], list[Model]]

FOUNDATION = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k"
MINE, OTHERS = "111122223333", "444455556666"


def arn(name: str, account: str = MINE) -> str:
    return f"arn:aws:bedrock:us-east-1:{account}:custom-model/amazon.nova-lite-v1:0:300k/{name:x<12}"


def summary(name: str = "a", **changed: object) -> dict[str, object]:
    """A model as Bedrock lists it; None takes a member away."""
    members = {
        "modelArn": arn(name),
        "modelName": name,
        "creationTime": "2026-01-31T12:00:00.123000+00:00",
        "baseModelArn": FOUNDATION,
        "baseModelName": "nova-lite",
        **changed,
    }
    return {name: value for name, value in members.items() if value is not None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my models.json"


@pytest.fixture
def read(file: Path) -> Read:
    """Read models out of a file with this content: bytes as they are, all else as JSON."""

    def read(content: object) -> list[Model]:
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return list(read_models(file))

    return read


@pytest.fixture
def refusal(read: Read, file: Path) -> Callable[[object], str]:
    """Return what is said of a file, behind its name."""

    def refusal(content: object) -> str:
        with pytest.raises(ModelFileError) as caught:
            read(content)
        told = str(caught.value)
        assert told.startswith(str(file))
        assert told.endswith(".")
        assert "\n" not in told
        return told.removeprefix(str(file))

    return refusal


class TestWhatIsTaken:
    def test_every_member_of_a_model(self, read: Read) -> None:
        given = summary(customizationType="NEW_TYPE", ownerAccountId=OTHERS, modelStatus="Hibernating")
        (model,) = read({"modelSummaries": [given]})
        assert model == Model(
            arn=arn("a"),
            name="a",
            created=datetime(2026, 1, 31, 12, 0, 0, 123_000, UTC),
            base_arn=FOUNDATION,
            base_name="nova-lite",
            foundation_arn=FOUNDATION,
            customization_type="NEW_TYPE",
            owner=OTHERS,
            status="Hibernating",
        )
        assert model.summary() == {**given, "creationTime": "2026-01-31T12:00:00.123000Z"}

    def test_this_apis_own_answer_comes_back_as_it_was(self, api: Api, emulator: Emulator, read: Read) -> None:
        answer = api.get("maxItems=1000").body
        emulator.load(read(answer))
        assert api.get("maxItems=1000").body == answer

    @pytest.mark.parametrize("count", [0, 1, 300])
    def test_a_bare_array(self, read: Read, count: int) -> None:
        models = plausible_models(count)
        assert read([model.summary() for model in models]) == models

    @pytest.mark.parametrize("more", [{"nextToken": None}, {"ResponseMetadata": {"HTTPStatusCode": 200}}])
    def test_what_says_nothing_about_the_models(self, read: Read, more: dict[str, Any]) -> None:
        assert len(read({"modelSummaries": [summary()], **more})) == 1

    def test_a_byte_order_mark(self, read: Read) -> None:
        assert read(b"\xef\xbb\xbf[]") == []

    @pytest.mark.parametrize(
        ("time", "created"),
        [
            ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
            ("2026-01-31T12:00:00.5+05:30", datetime(2026, 1, 31, 6, 30, 0, 500_000, UTC)),
            ("2026-01-01T00:30:00-08:00", datetime(2026, 1, 1, 8, 30, tzinfo=UTC)),
        ],
    )
    def test_times(self, read: Read, time: str, created: datetime) -> None:
        assert read([summary(creationTime=time)])[0].created == created


class TestFoundation:
    def test_it_is_that_of_a_base_in_the_file(self, read: Read) -> None:
        other = FOUNDATION.replace("nova", "titan")
        # Behind what is made of it, and not as its ARN has it: what the file says goes first.
        models = read([summary("c", baseModelArn=arn("b")), summary("b", baseModelArn=arn("a")),
                       summary("a", baseModelArn=other), summary("d", baseModelArn=arn("b"))])  # fmt: skip
        assert [model.foundation_arn for model in models] == [other] * 4

    @pytest.mark.parametrize(
        ("base", "foundation"),
        [
            (arn("elsewhere"), FOUNDATION),
            (arn("a").replace("amazon.nova-lite-v1:0:300k", "imported"),) * 2,
            (arn("a").replace("amazon.nova-lite-v1:0:300k", "imported:1"),) * 2,
        ],
    )
    def test_of_a_base_that_is_not_in_the_file(self, read: Read, base: str, foundation: str) -> None:
        (model,) = read([summary("b", baseModelArn=base)])
        assert (model.base_arn, model.foundation_arn) == (base, foundation)

    def test_a_circle(self, refusal: Callable[[object], str]) -> None:
        told = refusal([summary("c", baseModelArn=arn("a")), summary("a", baseModelArn=arn("b")),
                        summary("b", baseModelArn=arn("a"))])  # fmt: skip
        assert told == ": .[1].baseModelArn leads back to the model itself."

    def test_a_chain_as_long_as_the_file(self, read: Read) -> None:
        names = [f"{number:012}" for number in range(2000)]
        chain = [summary(one, baseModelArn=arn(base)) for one, base in zip(names, [*names[1:], "0"], strict=True)]
        assert {model.foundation_arn for model in read(chain)} == {FOUNDATION}


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", " is not JSON: Expecting value: line 1 column 1"),
            (b'[{"modelArn": ', " is not JSON: "),
            (b"[" * 200_000, " is not a listing: it is nested too deep"),
            ("[]".encode("utf-16"), " is not UTF-8 text (its byte 0 is not)"),
            ("models", "this is no listing"),
            ({}, "this is no listing"),
            ({"modelSummaries": {}}, "this is no listing"),
            ({"models": [summary()]}, "this is no listing"),
            ({"modelSummaries": [], "region": "us-east-1"}, '."region" is not a member of a listing'),
            (b'{"modelSummaries": [], "modelSummaries": []}', 'an object has "modelSummaries" twice'),
            ([summary("a"), summary("b"), summary("a")], f".[2].modelArn is that of .[0] too: {arn('a')}"),
            ([summary(), ["b"]], '.[1] must be an object, a model\'s summary, not ["b"]'),
            ({"modelSummaries": [summary(Tags=[])]}, '.modelSummaries[0]."Tags" is not a member'),
        ],
    )
    def test_what_is_no_listing(self, refusal: Callable[[object], str], content: object, told: str) -> None:
        assert told in refusal(content)

    @pytest.mark.parametrize("name", ["nextToken", "NextToken", "nextCursor"])
    def test_one_page_of_several(self, refusal: Callable[[object], str], name: str) -> None:
        told = refusal({"modelSummaries": [summary()], name: "more"})
        assert f"one page of a listing and not all of it, for it has {name}" in told

    @pytest.mark.parametrize("name", ["modelArn", "modelName", "creationTime", "baseModelArn", "baseModelName"])
    def test_a_model_without(self, refusal: Callable[[object], str], name: str) -> None:
        assert refusal([summary(), summary("b", **{name: None})]) == f": .[1].{name} is missing."

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *itertools.product(summary(), (5, "", True, {}, ["a"], "x" * 3000)),
            ("modelArn", FOUNDATION),
            ("modelArn", arn("a", account="")),
            ("modelArn", arn("a") + " "),
            ("modelName", "a\nb"),
            ("baseModelArn", "amazon.nova-lite-v1:0:300k"),
            ("customizationType", ""),
            ("ownerAccountId", "1234"),
            ("modelStatus", "\ud800"),
            ("creationTime", "2026-01-31T12:00:00"),
            ("creationTime", "2026-01-31 12:00:00Z"),
            ("creationTime", "2026-02-30T12:00:00Z"),
            ("creationTime", "0001-01-01T00:00:00+01:00"),
            ("creationTime", "2026-01-31T12:00:00.1234567Z"),
        ],
    )
    def test_a_member_that_is_none(self, refusal: Callable[[object], str], name: str, value: object) -> None:
        told = refusal({"modelSummaries": [summary(), summary("b", **{name: value})]})
        assert told.startswith(f": .modelSummaries[1].{name} must be ")
        assert f", not {json.dumps(value)[:60]}" in told
        assert len(told) < 300

    def test_null_is_not_left_out(self, refusal: Callable[[object], str]) -> None:
        told = refusal([{**summary(), "modelStatus": None}])
        assert told == ": .[0].modelStatus must be a text that can be shown, not empty, not null."

    def test_what_cannot_be_read(self, file: Path) -> None:
        for path, told in ((file, "No such file or directory"), (file.parent, "Is a directory")):
            with pytest.raises(ModelFileError) as caught:
                read_models(path)
            assert str(caught.value) == f"{path} cannot be read: {told}."


class TestAccount:
    def test_an_owner_who_is_not_told_is_in_the_arn(self, read: Read) -> None:
        theirs = summary("b", modelArn=arn("b", OTHERS))
        told = summary("c", modelArn=arn("c", OTHERS), ownerAccountId=MINE)
        answer = Emulator(read([summary("a"), theirs, told]), MINE).list_custom_models(
            "isOwned=true&sortOrder=Ascending"
        )
        assert [model["modelName"] for model in json.loads(answer.body)["modelSummaries"]] == ["a", "c"]

    def test_it_is_that_which_owns_most(self, read: Read) -> None:
        theirs = [summary(name, modelArn=arn(name, OTHERS)) for name in "bcd"]
        assert likely_account(read([summary("a"), *theirs])) == OTHERS
        assert likely_account(read([summary("a"), *theirs[:1]])) == MINE

    def test_of_no_models(self) -> None:
        assert likely_account([]).isdecimal()
