"""Check the AWS credentials before the CDK runs. The CDK reports wrong ones only after a synthesis of ten seconds.

``python -m infra.credentials STAGE`` prints the account, the region and the principal to standard error.
"""

import os
import sys
from typing import Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from infra.config import Config, ConfigError

_CLIENT = ClientConfig(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


class CredentialsError(Exception):
    """The credentials cannot deploy the stage. The message says what to do."""


def check(config: Config) -> str:
    """Return a description of the account, the region and the principal.

    Raises:
        CredentialsError: there are no credentials or no region, or they are not those of the stage.
    """
    try:
        session = Session()
        region = config.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        if session.get_credentials() is None:
            raise CredentialsError("There are no AWS credentials. Set AWS_PROFILE, or log in.")
        if not region:
            raise CredentialsError(f"There is no region. Set AWS_REGION, or region in stages.{config.stage}.")
        sts: Any = session.create_client("sts", region, config=_CLIENT)
        # Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        caller = sts.get_caller_identity()
    except ClientError as error:
        raise CredentialsError(f"AWS does not accept the credentials: {error}.") from None
    except (BotoCoreError, OSError, ValueError) as error:
        # Such as a process that does not exist, or an endpoint that is not a URL.
        raise CredentialsError(f"{str(error).rstrip('.')}.") from None
    if config.account not in (None, caller["Account"]):
        raise CredentialsError(
            f"stages.{config.stage}.account is {config.account}, but the credentials are for {caller['Account']}."
        )
    # The settings were checked with the account and the region in them, if they have any.
    if (problem := config.misplaced(caller["Account"], region)) is not None:
        raise CredentialsError(f"stages.{config.stage}{problem}")
    return f"Account {caller['Account']}, region {region}, as {caller['Arn']}"


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
