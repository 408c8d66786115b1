"""The CDK app. For example, ``cdk deploy -c stage=prod`` deploys the stage ``prod`` of ``cdk.json``."""

import sys

from infra.bundling import BundlingError
from infra.config import Config, ConfigError
from infra.stack import CustomModelsStack


def main() -> None:
    """Synthesize the stack. Report errors in the settings or the bundle as messages, without a traceback."""
    # Importing aws_cdk starts Node.js; importing infra first selects which one.
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
