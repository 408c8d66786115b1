"""The rules of a listing. This package does not use HTTP, Lambda or boto3."""
