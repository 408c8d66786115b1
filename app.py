"""The CDK app: ``cdk deploy -c stage=prod`` deploys that stage of ``cdk.json``."""

import sys

from infra.bundling import BundlingError
from infra.config import Config, ConfigError
from infra.stack import CustomModelsStack


def main() -> None:
    """Make the cloud assembly; a wrong setting is one sentence on standard error, not a traceback."""
    # After infra, which says what Node.js the CDK's constructs run on.
    from aws_cdk import App

    app = App()
    try:
        config = Config.read(app.node.try_get_context)
        CustomModelsStack(app, f"custom-models-{config.stage}", config=config)
    except (ConfigError, BundlingError) as error:
        sys.exit(f"custom-models: {error}")
    app.synth()


if __name__ == "__main__":
    main()
