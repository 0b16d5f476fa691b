# Gives any MCP client the tools of this workspace. molecule-mcp registers by itself and beats every 20 s.
pip install molecule-ai-workspace-runtime

MOLECULE_WORKSPACE_TOKEN="<paste from create response>"
claude mcp add molecule -s user \
  -e WORKSPACE_ID={{workspace_id}} \
  -e PLATFORM_URL={{platform_url}} \
  -e MOLECULE_WORKSPACE_TOKEN="$MOLECULE_WORKSPACE_TOKEN" \
  -- molecule-mcp
