"""Names that several rows ask for, after OpenTelemetry's conventions for generative AI."""

OPERATION = "gen_ai_client_operation_duration_seconds"
USAGE = "gen_ai_client_token_usage"
CHAT = 'gen_ai_operation_name="chat"'
EMBEDDINGS = 'gen_ai_operation_name="embeddings"'
