"""Check the AWS credentials before the CDK runs. The CDK reports wrong ones only after a synthesis of ten seconds.

``python -m infra.credentials STAGE`` prints the account, the region and the principal to standard error.
"""

import os
import re
import sys
from typing import Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ProfileNotFound
from botocore.session import Session

from infra.config import REGION, Config, ConfigError

_CLIENT = ClientConfig(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


class CredentialsError(Exception):
    """The credentials cannot deploy the stage. The message says what to do."""


def check(config: Config) -> str:
    """Return a description of the account, the region and the principal.

    Raises:
        CredentialsError: there are no credentials or no region, or they are not those of the stage.
    """
    try:
        region, caller = _caller(config)
    except CredentialsError:
        raise
    except Exception as error:  # botocore expects no garbage from processes, caches and proxies
        raise CredentialsError(_explain(error)) from None
    account = str(caller.get("Account"))
    if not re.fullmatch("[0-9]{12}", account):
        raise CredentialsError("AWS could not check the credentials: the response has no account.")
    if config.account not in (None, account):
        raise CredentialsError(
            f"stages.{config.stage}.account is {config.account}, but the credentials are for {account}."
        )
    # The settings were checked with the account and the region in them, if they have any.
    if (problem := config.misplaced(account, region)) is not None:
        raise CredentialsError(f"stages.{config.stage}{problem}")
    return f"Account {account}, region {region}, as {caller.get('Arn')}"


def _caller(config: Config) -> tuple[str, dict[str, Any]]:
    """Return the region, and what STS says about the credentials."""
    session = Session()
    region = config.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise CredentialsError(f"There is no region. Set AWS_REGION, or region in stages.{config.stage}.")
    if not re.fullmatch(REGION, region):
        raise CredentialsError(f"The region must be one such as us-east-1, not {region!r}. Set AWS_REGION.")
    # botocore does not know AWS_REGION. A profile with a role assumes it in this region.
    session.set_config_variable("region", region)
    credentials = session.get_credentials()
    if credentials is None:
        raise CredentialsError("There are no AWS credentials. Set AWS_PROFILE, or log in.")
    if any(it != it.strip() or not it.isprintable() for it in filter(None, credentials.get_frozen_credentials())):
        # They would be sent in a header, and an error of the HTTP client would quote it.
        raise CredentialsError("The AWS credentials start or end with a space, or contain a control character.")
    sts: Any = session.create_client("sts", region, config=_CLIENT)
    # Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    return region, sts.get_caller_identity()


def _explain(error: Exception) -> str:
    """Return one sentence or two about an error, without the password of a URL."""
    text = re.sub(r"//[^/@\s]*@", "//…@", " ".join(str(error).split())).rstrip(".")
    match error:
        case ClientError() if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            return f"AWS could not check the credentials: {text}."
        case ClientError():
            return f"AWS does not accept the credentials: {text}."
        case ProfileNotFound():
            return f"{text}. The profiles are: {', '.join(Session().available_profiles) or 'none'}."
        case EndpointConnectionError():
            return f"{text}. Check the region and the network."
        case BotoCoreError():
            return f"{text}."
        case _:
            return f"The AWS credentials could not be read or checked ({type(error).__name__}: {text})."


def main(stage: str) -> None:
    """Check the credentials for a stage of ``cdk.json``."""
    try:
        sys.stderr.write(f"{check(Config.of_stage(stage))}\n")
    except (ConfigError, CredentialsError) as error:
        sys.exit(f"custom-models: {error}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m infra.credentials STAGE")
    main(sys.argv[1])
