"""Signs requests to the API with botocore, which finds the credentials and the region as boto3 does."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

SESSION: Any = Session()


def signature(method: str, url: str) -> dict[str, str]:
    """Return the headers that sign a request without a body. The client may send others too."""
    parts = urlsplit(url)
    # Passed as parameters, so that botocore encodes them in the way that AWS does before it compares the signatures.
    # In the URL itself, many clients leave characters such as "/" and "," as they are.
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    request = AWSRequest(method, parts._replace(query="").geturl(), params=query)
    signer = SigV4Auth(SESSION.get_credentials(), "execute-api", SESSION.get_config_variable("region"))
    signer.add_auth(request)
    return dict(request.headers)
