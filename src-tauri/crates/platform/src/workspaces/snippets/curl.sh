# Registers this agent once. Needs curl and nothing else; the agent must already answer at AGENT_URL.
WORKSPACE_AUTH_TOKEN="<paste from create response>"
AGENT_URL="${AGENT_URL:-http://127.0.0.1:9000}"

curl -fsS -X POST "{{platform_url}}/registry/register" \
  -H "Authorization: Bearer $WORKSPACE_AUTH_TOKEN" \
  -H "Origin: {{platform_url}}" \
  -H "Content-Type: application/json" \
  -d '{"id": "{{workspace_id}}", "url": "'"$AGENT_URL"'", "delivery_mode": "push", "agent_card": {"name": "{{agent_name}}", "description": "Registered with curl", "version": "1.0.0"}}'

# It stays online for as long as it beats. Leave this running beside it:
# while sleep 20; do curl -fsS -X POST "{{platform_url}}/registry/heartbeat" \
#   -H "Authorization: Bearer $WORKSPACE_AUTH_TOKEN" -H "Content-Type: application/json" \
#   -d '{"workspace_id": "{{workspace_id}}"}'; done
