//! The environment of a launch, in its order (20 §7.4).

use std::collections::BTreeMap;

use molecule_model::runtime;
use molecule_store::workspaces::Workspace;
use secrecy::{ExposeSecret, SecretString};

use super::Failure;
use crate::{
    secrets::Environment,
    templates::{CONFIG, ConfigDocument, parse},
};

/// The variables that an agent is started with.
pub(super) type Variables = BTreeMap<String, SecretString>;

/// Names of variables that choose a model. One that cannot be read is left out: the config names one too.
const CHOICES: [&str; 2] = ["MODEL_PROVIDER", "LLM_PROVIDER"];

/// Puts the variables together. `config` is the text of the `config.yaml` that the agent will read.
pub(super) fn assemble(row: &Workspace, secrets: &Environment, config: &str) -> Result<Variables, Failure> {
    let document: Option<ConfigDocument> = parse(CONFIG, config)
        .inspect_err(|fault| tracing::warn!(workspace_id = %row.id, line = fault.line, reason = fault.reason, "config.yaml does not parse"))
        .ok();
    let mut variables = Variables::new();
    variables.insert("TIER".into(), row.tier.to_string().into());
    for (name, value) in &secrets.values {
        variables.insert(name.clone(), value.expose().to_owned().into());
    }
    identity(&mut variables, &row.name);
    if let Some(model) = text(&variables, "MODEL_PROVIDER") {
        variables.insert("MODEL".into(), model.clone().into());
        if runtime::safe(&row.runtime) == "hermes" {
            variables.insert("HERMES_DEFAULT_MODEL".into(), model.into());
        }
    }
    if let Some(role) = row.role.as_deref().filter(|role| !role.is_empty()) {
        variables.insert("MOLECULE_AGENT_ROLE".into(), role.to_owned().into());
    }
    if let Some(parent) = row.parent_id {
        variables.insert("PARENT_ID".into(), parent.to_string().into());
    }
    unreadable(row, secrets, &variables, document.as_ref())?;
    Ok(variables)
}

/// The names of `required_env` that are absent or empty (20 §7.4 step 7). A text that does not parse names none.
pub(super) fn missing(config: &str, variables: &Variables) -> Vec<String> {
    let Ok(document) = parse::<ConfigDocument>(CONFIG, config) else { return Vec::new() };
    let required = document.runtime_config.required_env.into_iter();
    required.filter(|name| text(variables, name).is_none()).collect()
}

fn text(variables: &Variables, name: &str) -> Option<String> {
    variables.get(name).map(|value| value.expose_secret().to_owned()).filter(|value| !value.is_empty())
}

/// Who commits, unless the person said otherwise.
fn identity(variables: &mut Variables, name: &str) {
    if name.trim().is_empty() {
        return;
    }
    let author = format!("Molecule AI {name}");
    let mail = format!("{}@agents.moleculesai.app", slug(name));
    for (variable, value) in [
        ("GIT_AUTHOR_NAME", &author),
        ("GIT_COMMITTER_NAME", &author),
        ("GIT_AUTHOR_EMAIL", &mail),
        ("GIT_COMMITTER_EMAIL", &mail),
    ] {
        variables.entry(variable.to_owned()).or_insert_with(|| value.clone().into());
    }
}

/// Lower case, runs of other characters become one `-`, none at the ends.
fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// A secret that cannot be read ends the launch; for the embedded agent only where it needs that secret, so
/// that a locked keychain stops nobody else.
fn unreadable(
    row: &Workspace,
    secrets: &Environment,
    variables: &Variables,
    document: Option<&ConfigDocument>,
) -> Result<(), Failure> {
    let local = runtime::safe(&row.runtime) == runtime::LOCAL;
    let model = text(variables, "MODEL").or_else(|| document.map(|d| d.model().to_owned())).unwrap_or_default();
    let key = key_of_model(&model);
    let needed = |name: &&String| {
        let required = document.is_some_and(|d| d.runtime_config.required_env.contains(name));
        (!local || required || key.as_deref() == Some(name.as_str())) && !(local && CHOICES.contains(&name.as_str()))
    };
    let lost = |names: &[String]| names.iter().find(needed).is_some();
    if lost(&secrets.unreadable_global) {
        return Err(Failure::GlobalSecret);
    }
    if lost(&secrets.unreadable_workspace) {
        return Err(Failure::WorkspaceSecret);
    }
    let skipped = secrets.unreadable_global.len() + secrets.unreadable_workspace.len();
    if skipped > 0 {
        tracing::warn!(workspace_id = %row.id, skipped, "secrets that cannot be read now are left out; the agent does not need them");
    }
    Ok(())
}

/// The variable with the key of a model's provider: `anthropic:…`, `openrouter/…`, or a short name.
/// `None` where no key is needed.
fn key_of_model(model: &str) -> Option<String> {
    let model = model.trim();
    let provider = match model.split_once([':', '/']) {
        Some((provider, _)) if !provider.is_empty() => provider.to_ascii_lowercase(),
        _ if ["claude", "sonnet", "opus", "haiku"].iter().any(|short| model.starts_with(short)) => {
            "anthropic".to_owned()
        }
        _ if model.is_empty() || model == "rehearsal" => return None,
        _ => "openai".to_owned(),
    };
    match provider.as_str() {
        "ollama" | "lmstudio" | "llamacpp" | "rehearsal" => None,
        other => Some(format!("{}_API_KEY", other.to_ascii_uppercase().replace('-', "_"))),
    }
}

#[cfg(test)]
mod tests {
    use molecule_model::{
        Status, Timestamp, WorkspaceId,
        wire::{DeliveryMode, WorkspaceAccess},
    };
    use molecule_store::workspaces::Workspace;
    use secrecy::ExposeSecret;

    use super::{Failure, Variables, assemble, key_of_model, missing, slug};
    use crate::secrets::Environment;

    fn row(runtime: &str) -> Workspace {
        Workspace {
            id: WorkspaceId::random(),
            name: "Docs Writer".into(),
            role: Some("Keeps the handbook".into()),
            tier: 2,
            status: Status::Provisioning,
            runtime: runtime.into(),
            delivery_mode: DeliveryMode::Push,
            parent_id: None,
            template: None,
            agent_card: None,
            url: None,
            awareness_namespace: None,
            workspace_dir: None,
            workspace_access: WorkspaceAccess::None,
            last_heartbeat_at: None,
            last_outbound_at: None,
            last_error_rate: 0.0,
            last_sample_error: None,
            current_task: None,
            active_tasks: 0,
            max_concurrent_tasks: 1,
            uptime_seconds: 0,
            budget_limit: None,
            monthly_spend: 0,
            hibernation_idle_minutes: None,
            launched: false,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            x: 0.0,
            y: 0.0,
            collapsed: false,
        }
    }

    fn secrets(values: &[(&str, &str)], lost_global: &[&str], lost_own: &[&str]) -> Environment {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Environment {
            values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into())).collect(),
            unreadable_global: names(lost_global),
            unreadable_workspace: names(lost_own),
        }
    }

    fn plain(variables: &Variables) -> Vec<String> {
        variables.iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect()
    }

    #[test]
    fn s045_s046_the_order_of_the_contract() {
        let given = secrets(&[("MODEL_PROVIDER", "openai/gpt-5"), ("GIT_AUTHOR_NAME", "Me"), ("TIER", "9")], &[], &[]);
        let mut hermes = row("hermes");
        hermes.parent_id = Some(WorkspaceId::parse_loose("7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11").unwrap());
        insta::assert_debug_snapshot!(plain(&assemble(&hermes, &given, "").unwrap()), @r#"
        [
            "GIT_AUTHOR_EMAIL=docs-writer@agents.moleculesai.app",
            "GIT_AUTHOR_NAME=Me",
            "GIT_COMMITTER_EMAIL=docs-writer@agents.moleculesai.app",
            "GIT_COMMITTER_NAME=Molecule AI Docs Writer",
            "HERMES_DEFAULT_MODEL=openai/gpt-5",
            "MODEL=openai/gpt-5",
            "MODEL_PROVIDER=openai/gpt-5",
            "MOLECULE_AGENT_ROLE=Keeps the handbook",
            "PARENT_ID=7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11",
            "TIER=9",
        ]
        "#);
        let bare = assemble(&row("local"), &secrets(&[], &[], &[]), "").unwrap();
        assert!(!bare.contains_key("MODEL") && !bare.contains_key("PARENT_ID"));
    }

    #[test]
    fn a_secret_that_is_not_needed_stops_no_embedded_agent() {
        let fails = |runtime: &str, global: &[&str], own: &[&str], config: &str| match assemble(
            &row(runtime),
            &secrets(&[], global, own),
            config,
        ) {
            Ok(_) => "starts",
            Err(Failure::GlobalSecret) => "global",
            Err(Failure::WorkspaceSecret) => "workspace",
            Err(_) => "other",
        };
        assert_eq!(fails("claude-code", &["X"], &[], ""), "global");
        assert_eq!(fails("claude-code", &[], &["X"], ""), "workspace");
        assert_eq!(fails("local", &["X", "ANTHROPIC_API_KEY"], &["MODEL_PROVIDER"], "model: rehearsal"), "starts");
        assert_eq!(fails("local", &["ANTHROPIC_API_KEY"], &[], "model: anthropic:claude-opus-4-7"), "global");
        assert_eq!(fails("local", &[], &["X"], "model: rehearsal\nruntime_config: {required_env: [X]}"), "workspace");
    }

    #[test]
    fn required_variables_must_be_there_and_not_empty() {
        let variables: Variables = [("A".to_owned(), "1".into()), ("B".to_owned(), "".into())].into();
        assert_eq!(missing("runtime_config: {required_env: [A, B, C]}", &variables), ["B", "C"]);
        assert!(missing("runtime_config: [", &variables).is_empty());
    }

    #[test]
    fn slugs_and_keys() {
        assert_eq!(slug("  Docs & Writer! "), "docs-writer");
        for (model, key) in [
            ("anthropic:claude-opus-4-7", Some("ANTHROPIC_API_KEY")),
            ("openrouter/x/y", Some("OPENROUTER_API_KEY")),
            ("sonnet", Some("ANTHROPIC_API_KEY")),
            ("gpt-5", Some("OPENAI_API_KEY")),
            ("ollama/qwen3", None),
            ("rehearsal", None),
            ("", None),
        ] {
            assert_eq!(key_of_model(model).as_deref(), key, "{model}");
        }
    }
}
