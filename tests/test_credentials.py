"""What is taken for a credential in a text, and what is not."""

import pickle

import pytest

from dta_bench.errors import UserError, call_masked
from dta_bench.errors.credentials import mask, mask_command, strip_user


@pytest.mark.parametrize(
    "text",
    [
        "http://u:MARKER@h:5000/x",
        "https://MARKER@h/x",
        "http://u:p@MARKER@h/x",
        "postgresql+psycopg2://u:p/MARKER@h/db",
        "mysql://h/db?user=a&password=MARKER",
        "https://b.s3/x?X-Amz-Signature=MARKER&X-Amz-Credential=MARKER&a=1",
        "https://h/x?sv=1&sig=MARKER",
        "https://h/x?access_token=MARKER#top",
        "AWS_SECRET_ACCESS_KEY=MARKER dta-bench",
        "MLFLOW_TRACKING_PASSWORD='MARKER MARKER'",
        "host=h user=u password=MARKER",
        "Authorization: Bearer MARKERMARKER",
        "HTTPConnectionPool: http://u:MARKER@h:1/api failed; http://u:MARKER@h:1/api",
    ],
)
def test_a_credential_is_masked(text: str) -> None:
    assert "MARKER" not in mask(text)
    assert "***" in mask(text)
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=dta-bench&workflowType=machine_learning",
        "http://h:5000/a@b",
        "sqlite:////home/a@b/c:d@e/mlflow.db",
        "dta-bench sweep x --set key=3 --training crop=[256,512]",
        "git@github.com:a/b",
        "https://h/x?monkey=1",
        "keypoints=3 PWDS=1 tokens=2",
    ],
)
def test_what_is_no_credential_stands(text: str) -> None:
    assert mask(text) == text


def test_a_cloud_key_is_masked_wherever_it_stands() -> None:
    assert mask("the key AKIAIOSFODNN7EXAMPLE was refused") == "the key *** was refused"


def test_a_word_of_a_command_may_be_a_url_with_blanks() -> None:
    assert mask_command(["--tracking-uri", "postgresql://u:a MARKER@h/db"])[1] == "postgresql://***@h/db"


def test_a_link_has_no_user() -> None:
    assert strip_user("http://u:p@h:5000/x?a=1#b") == "http://h:5000/x?a=1#b"


def test_a_users_error_is_masked_and_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UserError("http://u:MARKER@h does not answer")))
    assert str(error) == "http://***@h does not answer"


def test_an_error_that_names_a_url_is_replaced_with_its_causes() -> None:
    def fail() -> None:
        try:
            raise OSError("http://u:MARKER@h/a")
        except OSError as error:
            raise ValueError("http://u:MARKER@h/b") from error

    with pytest.raises(RuntimeError) as raised:
        call_masked(fail)
    assert "MARKER" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_another_error_passes() -> None:
    with pytest.raises(ZeroDivisionError):
        call_masked(lambda: 1 / 0)
