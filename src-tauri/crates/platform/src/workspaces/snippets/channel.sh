# Claude Code reads and answers this workspace's messages by polling; no address of its own is needed.
mkdir -p ~/.claude/channels/molecule && chmod 700 ~/.claude/channels/molecule
cat > ~/.claude/channels/molecule/.env <<'ENV'
MOLECULE_PLATFORM_URL={{platform_url}}
MOLECULE_WORKSPACE_IDS={{workspace_id}}
MOLECULE_WORKSPACE_TOKENS=<paste auth_token from create response>
ENV
chmod 600 ~/.claude/channels/molecule/.env

# Once: the plugin (it runs on bun). Then start Claude Code with its channel.
claude plugin marketplace add Molecule-AI/molecule-mcp-claude-channel
claude plugin install molecule-channel@molecule-mcp-claude-channel
claude --dangerously-load-development-channels plugin:molecule-channel@molecule-mcp-claude-channel
