//! Chat files of workspaces that nobody can be forwarded to: kept here.

use std::{fs, path::PathBuf};

use molecule_model::{WorkspaceId, wire::DeliveryMode};
use reqwest::{
    Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    bed::{Bed, Known},
};

const MIB: usize = 1024 * 1024;

async fn poller(bed: &Bed) -> Known {
    bed.workspace_as("Poller", None, "external", DeliveryMode::Poll).await
}

fn part(name: &'static str, bytes: impl Into<Vec<u8>>) -> Part {
    Part::bytes(bytes.into()).file_name(name)
}

async fn upload(bed: &Bed, id: WorkspaceId, form: Form) -> Response {
    bed.post(&format!("/workspaces/{id}/chat/uploads")).bearer_auth(&bed.admin).multipart(form).send().await.unwrap()
}

async fn download(bed: &Bed, token: &str, id: WorkspaceId, path: &str) -> Response {
    bed.get(&format!("/workspaces/{id}/chat/download?path={path}")).bearer_auth(token).send().await.unwrap()
}

fn folder(bed: &Bed, id: WorkspaceId) -> PathBuf {
    bed.dir.path().join("workspaces").join(id.to_string()).join("workspace/.molecule/chat-uploads")
}

fn path_of(file: &Value) -> String {
    file["uri"].as_str().unwrap().strip_prefix("workspace:").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn s177_r22_r110_files_are_kept_here_and_the_agent_fetches_them_with_its_own_token() {
    let bed = Bed::new().await;
    let push = bed.workspace_as("Without address", None, "external", DeliveryMode::Push).await;
    bed.sql("UPDATE workspaces SET status = 'awaiting_agent' WHERE id = ?1", vec![push.id.to_string()]).await;
    let says_no = poller(&bed).await;
    let card = json!({"id": says_no.id, "agent_card": {"name": "P"}, "url": "remote://no-inbound"});
    let registered = bed.post("/registry/register").bearer_auth(&says_no.token).json(&card).send().await.unwrap();
    assert_eq!(registered.status(), 200);
    for known in [poller(&bed).await, push, says_no] {
        let form = Form::new()
            .part("files", part("my notes.md", "# hello").mime_str("text/markdown").unwrap())
            .text("other", "not a file")
            .part("files", part("../../etc/passwd", [0, 255, 7]))
            .part("files", part("pic.png", ""));
        let answer = upload(&bed, known.id, form).await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        let files = body["files"].as_array().unwrap();
        let seen: Vec<(&str, u64)> =
            files.iter().map(|file| (file["name"].as_str().unwrap(), file["size"].as_u64().unwrap())).collect();
        assert_eq!(seen, [("my_notes.md", 7), ("passwd", 3), ("pic.png", 0)], "in the order of the request");
        assert_eq!(files[0]["mimeType"], "text/markdown");
        assert!(files[1].get("mimeType").is_none());
        assert_eq!(files[2]["mimeType"], "image/png");
        for file in files {
            let path = path_of(file);
            let stored = path.strip_prefix("/workspace/.molecule/chat-uploads/").unwrap();
            let (mark, name) = stored.split_at(32);
            assert!(mark.bytes().all(|b| b.is_ascii_hexdigit()) && name.starts_with('-'), "{stored}");
            assert!(folder(&bed, known.id).join(stored).is_file());
        }
        let back = download(&bed, &known.token, known.id, &path_of(&files[0])).await;
        assert_eq!(back.status(), 200);
        assert_eq!(back.headers()["content-type"], "text/markdown");
        assert_eq!(back.headers()["content-length"], "7");
        assert_eq!(
            back.headers()["content-disposition"],
            "attachment; filename=\"my_notes.md\"; filename*=UTF-8''my_notes.md"
        );
        assert_eq!(back.headers()["content-security-policy"], "default-src 'none'; sandbox");
        assert_eq!(back.text().await.unwrap(), "# hello");
        let back = download(&bed, &bed.admin, known.id, &path_of(&files[1])).await;
        assert_eq!(back.bytes().await.unwrap().as_ref(), [0, 255, 7]);
        // Nobody else's token, and nobody else's workspace.
        let other = poller(&bed).await;
        assert_eq!(download(&bed, &other.token, known.id, &path_of(&files[0])).await.status(), 401);
        assert_eq!(download(&bed, &other.token, other.id, &path_of(&files[0])).await.status(), 404);
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_what_was_kept_stays_when_the_agent_gets_an_address() {
    let bed = Bed::new().await;
    let a = poller(&bed).await;
    let answer: Value =
        upload(&bed, a.id, Form::new().part("files", part("a.txt", "kept"))).await.json().await.unwrap();
    let agent = Agent::answering(404, "{}").await;
    let card = json!({"id": a.id, "agent_card": {"name": "A"}, "url": agent.url, "delivery_mode": "push"});
    bed.post("/registry/register").bearer_auth(&a.token).json(&card).send().await.unwrap().error_for_status().unwrap();
    let back = download(&bed, &bed.admin, a.id, &path_of(&answer["files"][0])).await;
    assert_eq!(back.text().await.unwrap(), "kept");
    assert!(agent.got().is_empty());
    assert_eq!(download(&bed, &bed.admin, a.id, "/workspace/other").await.status(), 404);
    assert_eq!(agent.got().len(), 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s176_r22_limits_name_the_file_and_leave_nothing() {
    let bed = Bed::new().await;
    let a = poller(&bed).await;
    let whole = Form::new().part("files", part("whole.bin", vec![1; 25 * MIB]));
    assert_eq!(upload(&bed, a.id, whole).await.status(), 200);
    let count = || fs::read_dir(folder(&bed, a.id)).unwrap().count();
    assert_eq!(count(), 1);
    let forms = [
        // The second is refused, so the first is not kept either.
        (
            Form::new().part("files", part("a", "a")).part("files", part("big file.bin", vec![1; 25 * MIB + 1])),
            413,
            "big_file.bin is larger than 25 MiB",
        ),
        (
            Form::new().part("files", part("a", vec![1; 25 * MIB])).part("files", part("b", vec![1; 25 * MIB])),
            413,
            "the upload is larger than 50 MiB",
        ),
        (Form::new().part("file", part("a", "a")), 400, "expected at least one 'files' field"),
        (Form::new().text("other", "x"), 400, "expected at least one 'files' field"),
        ((0..101).fold(Form::new(), |form, _| form.part("files", part("a", "a"))), 413, "at most 100 files at once"),
    ];
    for (form, status, text) in forms {
        let answer = upload(&bed, a.id, form).await;
        assert_eq!(answer.status().as_u16(), status, "{text}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], text);
        assert_eq!(count(), 1, "{text}");
    }
    let path = format!("/workspaces/{}/chat/uploads", a.id);
    let broken = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\nhalf";
    for (kind, body) in [
        ("multipart/form-data; boundary=b", broken),
        ("multipart/form-data; boundary=b", ""),
        ("multipart/form-data", "x"),
        ("application/json", "{}"),
        ("", "x"),
    ] {
        let request = bed.post(&path).bearer_auth(&bed.admin).header("content-type", kind).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{kind}");
        assert!(answer.json::<Value>().await.unwrap()["error"].is_string());
        assert_eq!(count(), 1, "{kind}");
    }
    bed.stop().await;
}

/// Names that a form may carry: whatever they say, the file lies in the one folder.
#[tokio::test(flavor = "multi_thread")]
async fn s4_s180_no_name_leads_anywhere_else() {
    let bed = Bed::new().await;
    let a = poller(&bed).await;
    let names = [
        "",
        ".",
        "..",
        "../x",
        "../../../../x",
        "/etc/passwd",
        "\\\\host\\share\\x",
        "C:\\x",
        "a/../../x",
        "..\\..\\x",
        "~",
        "~/x",
        "%2e%2e%2fx",
        "a%00b",
        "x\u{202e}gpj.exe",
        "con",
        "nul.txt",
        "a:b",
        "-rf",
        ".htaccess",
        "....//x",
        "a\tb",
    ];
    let before = tree(&bed);
    for name in names {
        let form = Form::new().part("files", Part::text("x").file_name(name));
        let answer = upload(&bed, a.id, form).await;
        assert_eq!(answer.status(), 200, "{name:?}");
        let body: Value = answer.json().await.unwrap();
        let path = path_of(&body["files"][0]);
        assert_eq!(download(&bed, &a.token, a.id, &path).await.text().await.unwrap(), "x", "{name:?}");
    }
    assert_eq!(fs::read_dir(folder(&bed, a.id)).unwrap().count(), names.len());
    let made: Vec<PathBuf> = tree(&bed).into_iter().filter(|path| !before.contains(path)).collect();
    let outside: Vec<&PathBuf> =
        made.iter().filter(|path| path.is_file() && !path.starts_with(folder(&bed, a.id))).collect();
    assert!(outside.iter().all(|path| path.to_string_lossy().contains("molecule.db")), "{outside:?}");
    bed.stop().await;
}

/// Everything in the data directory and beside it.
fn tree(bed: &Bed) -> Vec<PathBuf> {
    let mut open = vec![bed.dir.path().to_owned()];
    let mut all = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn s181_s4_only_kept_files_are_handed_out_and_links_are_none() {
    use std::os::unix::fs::symlink;
    let bed = Bed::new().await;
    let a = poller(&bed).await;
    let answer: Value =
        upload(&bed, a.id, Form::new().part("files", part("a.txt", "kept"))).await.json().await.unwrap();
    let stored = path_of(&answer["files"][0]);
    let kept = folder(&bed, a.id);
    let mark = "0123456789abcdef0123456789abcdef";
    let secret = bed.dir.path().join("admin.token");
    symlink(&secret, kept.join(format!("{mark}-out"))).unwrap();
    symlink(kept.join(stored.rsplit('/').next().unwrap()), kept.join(format!("{mark}-in"))).unwrap();
    symlink("../../../../../admin.token", kept.join(format!("{mark}-up"))).unwrap();
    fs::create_dir(kept.join(format!("{mark}-folder"))).unwrap();
    fs::write(kept.join("unmarked"), "u").unwrap();
    fs::write(kept.parent().unwrap().join("beside"), "b").unwrap();
    fs::create_dir_all(bed.app.paths.configs(a.id)).unwrap();
    fs::write(bed.app.paths.configs(a.id).join(".auth_token"), "t").unwrap();
    let base = "/workspace/.molecule/chat-uploads";
    let missing = [
        format!("{base}/{mark}-out"),
        format!("{base}/{mark}-in"),
        format!("{base}/{mark}-up"),
        format!("{base}/{mark}-folder"),
        format!("{base}/{mark}-none"),
        format!("{base}/unmarked"),
        base.to_owned(),
        "/workspace/.molecule/beside".to_owned(),
        "/workspace".to_owned(),
        "/configs/.auth_token".to_owned(),
        format!("{stored}x"),
        stored.to_uppercase().replacen("/WORKSPACE/.MOLECULE/CHAT-UPLOADS", base, 1),
    ];
    for path in missing {
        let answer = download(&bed, &bed.admin, a.id, &path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "file not found"}), "{path}");
    }
    for path in [format!("{stored}/../../../../../admin.token"), format!("{base}/../beside"), format!("{base}//x")] {
        assert_eq!(download(&bed, &bed.admin, a.id, &path).await.status(), 400, "{path}");
    }
    assert_eq!(download(&bed, &bed.admin, a.id, &stored).await.text().await.unwrap(), "kept");
    // The folder itself a link that leads out: nothing is written there.
    let b = poller(&bed).await;
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(bed.app.paths.private_workspace(b.id)).unwrap();
    symlink(outside.path(), bed.app.paths.private_workspace(b.id).join(".molecule")).unwrap();
    assert_eq!(upload(&bed, b.id, Form::new().part("files", part("a", "a"))).await.status(), 500);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    bed.stop().await;
}
