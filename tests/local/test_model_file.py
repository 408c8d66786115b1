"""A file of models: all of it is served as it is, or it is refused with the place of the error."""

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from emulators.bedrock import Emulator
from emulators.models import Model, plausible_models
from local.json_file import FileError
from local.model_file import likely_account, read_models, region_of
from tests.api import Api

Read: TypeAlias = Callable[[object], list[Model]]

FOUNDATION = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k"
MINE, OTHERS = "111122223333", "444455556666"


def arn(name: str, account: str = MINE) -> str:
    return f"arn:aws:bedrock:us-east-1:{account}:custom-model/amazon.nova-lite-v1:0:300k/{name:x<12}"


def summary(name: str = "a", **changed: object) -> dict[str, object]:
    """Return a model summary; None removes a field."""
    fields = {
        "modelArn": arn(name),
        "modelName": name,
        "creationTime": "2026-01-31T12:00:00.123000+00:00",
        "baseModelArn": FOUNDATION,
        "baseModelName": "nova-lite",
        **changed,
    }
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my models.json"


@pytest.fixture
def read(file: Path) -> Read:
    """Read the models in a file with this content: bytes, or a value to write as JSON."""

    def read(content: object) -> list[Model]:
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return list(read_models(file))

    return read


@pytest.fixture
def refusal(read: Read, file: Path) -> Callable[[object], str]:
    """Return the error message for a file, without the name of the file."""

    def refusal(content: object) -> str:
        with pytest.raises(FileError) as caught:
            read(content)
        message = str(caught.value)
        assert message.startswith(str(file))
        assert message.endswith(".")
        assert "\n" not in message
        return message.removeprefix(str(file))

    return refusal


class TestValidFile:
    def test_every_field_of_a_model_is_read(self, read: Read) -> None:
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

    def test_a_response_of_this_api_is_served_unchanged(self, api: Api, emulator: Emulator, read: Read) -> None:
        answer = api.get("maxItems=1000").body
        emulator.load(read(answer))
        assert api.get("maxItems=1000").body == answer

    @pytest.mark.parametrize("count", [0, 1, 300])
    def test_an_array_without_an_object_is_read(self, read: Read, count: int) -> None:
        models = plausible_models(count)
        assert read([model.summary() for model in models]) == models

    @pytest.mark.parametrize(
        "more",
        [{"nextToken": None}, {"ResponseMetadata": {"HTTPStatusCode": 200}}, {"coverage": {"complete": True}}],
    )
    def test_fields_that_do_not_concern_the_models_are_ignored(self, read: Read, more: dict[str, Any]) -> None:
        assert len(read({"modelSummaries": [summary()], **more})) == 1

    def test_the_source_of_a_model_is_ignored(self, read: Read) -> None:
        assert read([summary(source=f"{OTHERS}/eu-west-1")]) == read([summary()])

    def test_their_region_is_that_of_their_arns(self, read: Read) -> None:
        models = read([summary(name, modelArn=arn(name).replace("us-east-1", "eu-west-3")) for name in "ab"])
        assert region_of(models) == "eu-west-3"
        assert region_of([]) == "us-east-1"

    def test_a_byte_order_mark_is_ignored(self, read: Read) -> None:
        assert read(b"\xef\xbb\xbf[]") == []

    @pytest.mark.parametrize(
        ("time", "created"),
        [
            ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
            ("2026-01-31T12:00:00.5+05:30", datetime(2026, 1, 31, 6, 30, 0, 500_000, UTC)),
            ("2026-01-01T00:30:00-08:00", datetime(2026, 1, 1, 8, 30, tzinfo=UTC)),
        ],
    )
    def test_times_are_converted_to_utc(self, read: Read, time: str, created: datetime) -> None:
        assert read([summary(creationTime=time)])[0].created == created


class TestFoundation:
    def test_it_is_the_foundation_model_of_a_base_model_in_the_file(self, read: Read) -> None:
        other = FOUNDATION.replace("nova", "titan")
        # The bases come after the models, and their ARNs name another foundation model: the file takes precedence.
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
    def test_the_arn_names_it_if_the_base_model_is_not_in_the_file(
        self, read: Read, base: str, foundation: str
    ) -> None:
        (model,) = read([summary("b", baseModelArn=base)])
        assert (model.base_arn, model.foundation_arn) == (base, foundation)

    def test_a_model_based_on_itself_is_refused(self, refusal: Callable[[object], str]) -> None:
        message = refusal([summary("c", baseModelArn=arn("a")), summary("a", baseModelArn=arn("b")),
                        summary("b", baseModelArn=arn("a"))])  # fmt: skip
        assert message == ": .[1].baseModelArn leads back to the model itself."

    def test_a_chain_of_base_models_can_be_long(self, read: Read) -> None:
        names = [f"{number:012}" for number in range(2000)]
        chain = [summary(one, baseModelArn=arn(base)) for one, base in zip(names, [*names[1:], "0"], strict=True)]
        assert {model.foundation_arn for model in read(chain)} == {FOUNDATION}


class TestInvalidFile:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", " is not JSON: Expecting value: line 1 column 1"),
            (b'[{"modelArn": ', " is not JSON: "),
            (b"[" * 200_000, ": maximum recursion depth exceeded"),
            ("[]".encode("utf-16"), ": 'utf-8' codec can't decode byte 0xff in position 0"),
            ("models", ": this is not a listing"),
            ({}, ": this is not a listing"),
            ({"modelSummaries": {}}, ": this is not a listing"),
            ({"models": [summary()]}, ": this is not a listing"),
            ({"modelSummaries": [], "region": "us-east-1"}, ': ."region" is not a field of a listing'),
            (
                b'{"modelSummaries": [], "modelSummaries": []}',
                ': an object has the field "modelSummaries" more than once',
            ),
            ([summary("a"), summary("b"), summary("a")], f": .[2].modelArn is the same as that of .[0]: {arn('a')}"),
            ([summary(), ["b"]], ": .[1] is not an object"),
            (
                {"modelSummaries": [summary(Tags=[])]},
                ': .modelSummaries[0]."Tags" is null, or not a field of a model summary',
            ),
        ],
    )
    def test_content_that_is_not_a_listing(
        self, refusal: Callable[[object], str], content: object, message: str
    ) -> None:
        assert refusal(content).startswith(message)

    @pytest.mark.parametrize("name", ["nextToken", "NextToken", "nextCursor"])
    def test_one_page_of_a_longer_listing(self, refusal: Callable[[object], str], name: str) -> None:
        message = refusal({"modelSummaries": [summary()], name: "more"})
        assert message.startswith(f": this is one page of a longer listing, because it has {name}: ")

    @pytest.mark.parametrize("coverage", [{"complete": False}, {"complete": 1}, {}, None, "complete"])
    def test_a_listing_that_is_not_complete(self, refusal: Callable[[object], str], coverage: object) -> None:
        message = refusal({"modelSummaries": [summary()], "coverage": coverage})
        assert message.startswith(": this is a part of a listing, because its coverage is not complete: ")

    def test_models_of_two_regions(self, refusal: Callable[[object], str]) -> None:
        message = refusal([summary(), summary("b"), summary("c", modelArn=arn("c").replace("us-east-1", "eu-west-3"))])
        assert message.startswith(": .[2].modelArn is in eu-west-3, and .[0].modelArn in us-east-1: ")

    @pytest.mark.parametrize("name", ["modelArn", "modelName", "creationTime", "baseModelArn", "baseModelName"])
    def test_a_missing_field(self, refusal: Callable[[object], str], name: str) -> None:
        assert refusal([summary(), summary("b", **{name: None})]) == f": .[1].{name} is missing."

    @pytest.mark.parametrize(
        ("name", "value"),
        [*itertools.product(summary(), (5, "", True, {}, ["a"], "x" * 3000))],
        ids=lambda it: repr(it)[:20],
    )
    def test_a_value_of_the_wrong_type_or_length(
        self, refusal: Callable[[object], str], name: str, value: object
    ) -> None:
        message = refusal({"modelSummaries": [summary(), summary("b", **{name: value})]})
        assert message.startswith(f": .modelSummaries[1].{name} ")
        assert re.search(" (is|has|must be) ", message)
        assert len(message) < 300

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("modelArn", FOUNDATION, f'must be the ARN of a custom model, not "{FOUNDATION}"'),
            ("modelArn", arn("a", account=""), "must be the ARN of a custom model, not "),
            ("modelArn", arn("a") + " ", "must be the ARN of a custom model, not "),
            ("modelName", "a\nb", "has characters that are not printable"),
            ("modelName", "", "must be text that is not empty"),
            ("baseModelArn", "amazon.nova-lite-v1:0:300k", "must be the ARN of a custom or a foundation model, not "),
            ("customizationType", "", "must be text that is not empty"),
            ("ownerAccountId", "1234", 'must be an account ID of 12 digits, not "1234"'),
            ("modelStatus", "\ud800", "has characters that are not printable"),
            (
                "creationTime",
                "2026-01-31T12:00:00",
                "must be a date-time with an offset and at most six fraction digits",
            ),
            ("creationTime", "2026-01-31 12:00:00Z", "must be a date-time with an offset and at most six "),
            ("creationTime", "2026-02-30T12:00:00Z", "is not a timestamp"),
            ("creationTime", "0001-01-01T00:00:00+01:00", "is not a timestamp"),
            ("creationTime", "2026-01-31T12:00:00.1234567Z", "must be a date-time with an offset and at most six "),
        ],
    )
    def test_an_invalid_value(self, refusal: Callable[[object], str], name: str, value: object, reason: str) -> None:
        message = refusal({"modelSummaries": [summary(), summary("b", **{name: value})]})
        assert message.startswith(f": .modelSummaries[1].{name} {reason}")

    def test_null_is_not_the_same_as_an_absent_field(self, refusal: Callable[[object], str]) -> None:
        message = refusal([{**summary(), "modelStatus": None}])
        assert message == ': .[0]."modelStatus" is null, or not a field of a model summary.'

    def test_a_file_that_cannot_be_read(self, file: Path) -> None:
        for path, reason in ((file, "No such file or directory"), (file.parent, "Is a directory")):
            with pytest.raises(FileError) as caught:
                read_models(path)
            assert str(caught.value) == f"{path} cannot be read: {reason}."


class TestAccount:
    def test_without_an_owner_in_the_summary_the_arn_names_the_owner(self, read: Read) -> None:
        theirs = summary("b", modelArn=arn("b", OTHERS))
        mine = summary("c", modelArn=arn("c", OTHERS), ownerAccountId=MINE)
        emulator = Emulator(read([summary("a"), theirs, mine]), MINE)
        listing = json.loads(emulator.list_custom_models("isOwned=true&sortOrder=Ascending").body)
        assert [model["modelName"] for model in listing["modelSummaries"]] == ["a", "c"]

    def test_it_is_the_account_that_owns_most_models(self, read: Read) -> None:
        theirs = [summary(name, modelArn=arn(name, OTHERS)) for name in "bcd"]
        assert likely_account(read([summary("a"), *theirs])) == OTHERS
        assert likely_account(read([summary("a"), *theirs[:1]])) == MINE

    def test_without_models_it_is_any_account(self) -> None:
        assert likely_account([]).isdecimal()
