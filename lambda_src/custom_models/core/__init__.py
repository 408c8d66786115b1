"""What a listing is, whoever asks for it and wherever the models come from: no HTTP, no Lambda, no boto3."""
