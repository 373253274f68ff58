//! Models and data sets by name, against a server on the loopback interface that answers as the hub does, also when it does not.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rxlt::checkpoint::{Entry, Float, Values, Weights, write};
use sha1::Sha1;
use sha2::{Digest, Sha256};

mod harness;

use harness::{Outcome, Test, rxlt};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const LATER: &str = "89abcdef0123456789abcdef0123456789abcdef";
const TOKEN: &str = "hf_neverToBeSeenAnywhere";
const SIGNATURE: &str = "signedForYouAlone";
/// Bytes after which a connection breaks.
const BROKEN: usize = 3_000_000;

/// A test by its name.
type Named = (&'static str, fn() -> Outcome);

fn main() {
    let tests: [Named; 23] = [
        ("a name is fetched as Python lays it out, once", fetched_once),
        ("files get the modes of the umask", modes),
        ("the token goes to the hub alone, and is never shown", token),
        ("refusals say what to do", refusals),
        ("what is not a hub's answer is refused", not_a_hub),
        ("a hub that is busy for a moment is waited for", busy),
        ("a transfer that breaks goes on", breaks),
        ("a server without ranges gives the whole file", no_ranges),
        ("a wrong hash leaves nothing", wrong_hash),
        ("what was there from last time may be wrong", wrong_beginning),
        ("two downloads at once fetch each file once", two_at_once),
        ("a download killed at any moment goes on until it is whole", killed),
        ("without a network the cache is used, and no socket is opened", no_network),
        ("offline says what is missing", offline),
        ("only a hub that somebody vouches for is believed", certificates),
        ("shards and PyTorch's files are found", other_weights),
        ("what is read beside a vocab.txt comes with it", beside_words),
        ("a run names the commit that it was made of", run),
        ("of a data set what a run reads is fetched, at one commit", data_set),
        ("a data set is used without a network", data_set_offline),
        ("refusals of data sets say what to do", data_set_refusals),
        ("a data set's files are what their hashes say", data_set_hashes),
        ("a table in parts is one table", data_set_in_parts),
    ];
    harness::run(tests.into_iter().map(|(name, test)| Test::new(name, test)).collect());
}

// The server.

/// A file that it has.
struct Stored {
    bytes: Vec<u8>,
    /// Whether the bytes lie elsewhere, as large files do.
    large: bool,
}

/// A request as it came in.
#[derive(Clone, Debug)]
struct Asked {
    at_hub: bool,
    method: String,
    path: String,
    range: Option<usize>,
    token: Option<String>,
}

/// The hub, and the other server to which it sends for large files.
struct Server {
    hub: String,
    files: Mutex<BTreeMap<String, Stored>>,
    asked: Mutex<Vec<Asked>>,
    commit: Mutex<&'static str>,
    /// How many more connections break.
    breaks: AtomicUsize,
    /// Time between two blocks of a large file.
    slow: Mutex<Duration>,
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn git(bytes: &[u8]) -> String {
    hexadecimal(&Sha1::digest([format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/xlmr-open")
}

impl Server {
    /// A hub with the encoder that ships.
    fn start() -> Arc<Server> {
        let (hub, others) = (listener(), listener());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("it is bound"));
        let (place, elsewhere) = (address(&hub), address(&others));
        let mut files = BTreeMap::new();
        for (name, large) in [
            ("config.json", false),
            ("tokenizer_config.json", false),
            ("tokenizer.json", false),
            ("model.safetensors", true),
        ] {
            let bytes = fs::read(encoder().join(name)).expect("the encoder ships");
            files.insert(name.to_owned(), Stored { bytes, large });
        }
        let server = Arc::new(Server {
            hub: place,
            files: Mutex::new(files),
            asked: Mutex::default(),
            commit: Mutex::new(COMMIT),
            breaks: AtomicUsize::new(0),
            slow: Mutex::default(),
        });
        for (listener, at_hub) in [(hub, true), (others, false)] {
            let (server, elsewhere) = (server.clone(), elsewhere.clone());
            thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    let (server, elsewhere) = (server.clone(), elsewhere.clone());
                    thread::spawn(move || server.answer(connection, at_hub, &elsewhere));
                }
            });
        }
        server
    }

    /// Answers one request. A client that has left is no failure.
    fn answer(&self, connection: TcpStream, at_hub: bool, elsewhere: &str) -> Option<()> {
        let mut out = connection.try_clone().ok()?;
        let mut lines = BufReader::new(connection).lines();
        let first = lines.next()?.ok()?;
        let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let header = |name: &str| {
            headers.iter().find_map(|line| {
                let (found, value) = line.split_once(": ")?;
                found.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let range = header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let asked = Asked { at_hub, method, path, range, token: header("authorization") };
        self.asked.lock().expect("no test panics here").push(asked.clone());
        if at_hub { self.as_hub(&mut out, &asked, elsewhere) } else { self.as_other(&mut out, &asked) }
    }

    /// /api/datasets/org/name/revision/REVISION: the files that there are, and some that nobody should believe.
    fn list(&self, out: &mut TcpStream, asked: &Asked, rest: &str) -> Option<()> {
        let (repo, revision) = rest.split_once("/revision/")?;
        let commit = *self.commit.lock().expect("no test panics here");
        let prefix = format!("datasets/{repo}/");
        let files = self.files.lock().expect("no test panics here");
        let mut names: Vec<&str> = files.keys().filter_map(|name| name.strip_prefix(&prefix)).collect();
        if names.is_empty() {
            return reply(out, asked, "401 Unauthorized", "X-Error-Code: RepoNotFound\r\n", b"");
        }
        if ![COMMIT, LATER, "refs%2Fconvert%2Fparquet"].contains(&revision) {
            return reply(out, asked, "404 Not Found", "X-Error-Code: RevisionNotFound\r\n", b"");
        }
        names.extend([".gitattributes", "../../en/test/0000.parquet", "/etc/passwd"]);
        let siblings: Vec<String> = names.iter().map(|name| format!("{{\"rfilename\": \"{name}\"}}")).collect();
        let body = format!("{{\"sha\": \"{commit}\", \"private\": false, \"siblings\": [{}]}}", siblings.join(", "));
        reply(out, asked, "200 OK", "Content-Type: application/json\r\n", body.as_bytes())
    }

    /// Puts a data set there, of such pairs in English, German and French.
    fn offer_pairs(&self, repo: &str) {
        let read = |name: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name));
        let mut files = self.files.lock().expect("no test panics here");
        for language in ["en", "de", "fr"] {
            for (split, name) in [("train", "pairs-snappy"), ("validation", "pairs-zstd"), ("test", "pairs-none")] {
                let bytes = read(&format!("{name}.parquet")).expect("it is in the repository");
                files.insert(
                    format!("datasets/{repo}/{language}/{split}/0000.parquet"),
                    Stored { bytes, large: split == "train" },
                );
            }
        }
    }

    /// /org/model/resolve/REVISION/FILE
    fn as_hub(&self, out: &mut TcpStream, asked: &Asked, elsewhere: &str) -> Option<()> {
        if let Some(rest) = asked.path.strip_prefix("/api/datasets/") {
            return self.list(out, asked, rest);
        }
        let (repo, rest) = asked.path[1..].split_once("/resolve/")?;
        let (revision, file) = rest.split_once('/')?;
        let error = |code: &str| format!("X-Error-Code: {code}\r\nX-Error-Message: it says so\r\n");
        match repo {
            "tiny" => reply(out, asked, "307 Temporary", &format!("Location: /org/tiny/resolve/{rest}\r\n"), b"moved"),
            "org/gated" => reply(out, asked, "403 Forbidden", &error("GatedRepo"), b""),
            "org/private" if asked.token.is_none() => {
                reply(out, asked, "401 Unauthorized", &error("RepoNotFound"), b"")
            }
            "org/expired" => reply(out, asked, "401 Unauthorized", "", b"Invalid credentials"),
            "org/forbidden" => reply(out, asked, "403 Forbidden", &error("Disabled"), b""),
            "org/none" => reply(out, asked, "404 Not Found", "", b"<html>not here</html>"),
            "org/limited" => reply(out, asked, "429 Too Many", "Retry-After: 3600\r\n", b""),
            "org/portal" => reply(out, asked, "200 OK", "Content-Type: text/html\r\n", b"<html>log in</html>"),
            "org/away" => reply(out, asked, "302 Found", "Location: file:///etc/passwd\r\n", b""),
            "org/round" => reply(out, asked, "302 Found", &format!("Location: {}\r\n", asked.path), b""),
            "org/odd" => reply(out, asked, "200 OK", &odd_headers(), b"{}"),
            "org/busy" if self.n_asked("HEAD") == 1 => reply(out, asked, "429 Too Many", "Retry-After: 1\r\n", b""),
            "org/busy" if self.n_asked("HEAD") == 3 => reply(out, asked, "503 Unavailable", "", b"<html></html>"),
            "org/page" if asked.method == "GET" && file == "config.json" => {
                reply(out, asked, "200 OK", "Content-Type: text/html; charset=utf-8\r\n", b"<html>sorry</html>")
            }
            _ => self.give(out, asked, (repo, revision, file), elsewhere),
        }
    }

    fn give(
        &self,
        out: &mut TcpStream,
        asked: &Asked,
        (repo, revision, file): (&str, &str, &str),
        elsewhere: &str,
    ) -> Option<()> {
        let commit = match revision {
            "main" => *self.commit.lock().expect("no test panics here"),
            COMMIT => COMMIT,
            LATER => LATER,
            _ => return reply(out, asked, "404 Not Found", "X-Error-Code: RevisionNotFound\r\n", b""),
        };
        let files = self.files.lock().expect("no test panics here");
        let own = format!("{repo}/{file}");
        let Some(stored) = files.get(&own).or_else(|| files.get(file)) else {
            let headers = format!("X-Error-Code: EntryNotFound\r\nX-Repo-Commit: {commit}\r\n");
            return reply(out, asked, "404 Not Found", &headers, b"Entry not found");
        };
        let mut sum = if stored.large { sha256(&stored.bytes) } else { git(&stored.bytes) };
        if repo.ends_with("org/wrong") && stored.large {
            sum = sha256(b"something else");
        }
        let size = stored.bytes.len();
        if !stored.large {
            let headers = format!("ETag: \"{sum}\"\r\nX-Repo-Commit: {commit}\r\n");
            return reply(out, asked, "200 OK", &headers, &stored.bytes);
        }
        let headers = format!(
            "Location: {elsewhere}/{repo}/{file}?Signature={SIGNATURE}\r\nX-Linked-Etag: \"{sum}\"\r\n\
             X-Linked-Size: {size}\r\nX-Repo-Commit: {commit}\r\nETag: \"not this\"\r\n"
        );
        reply(out, asked, "302 Found", &headers, b"Found. Redirecting")
    }

    /// Where large files lie: without a token, by ranges.
    fn as_other(&self, out: &mut TcpStream, asked: &Asked) -> Option<()> {
        let (path, signature) = asked.path[1..].split_once('?')?;
        assert_eq!(signature, format!("Signature={SIGNATURE}"));
        let (repo, file) = path.rsplit_once('/')?;
        let bytes = {
            let files = self.files.lock().expect("no test panics here");
            files.get(path).or_else(|| files.get(file))?.bytes.clone()
        };
        let from = asked.range.filter(|_| repo != "org/whole").unwrap_or(0);
        let (n, rest) = (bytes.len(), &bytes[from..]);
        let (status, range) = match from {
            0 => ("200 OK", String::new()),
            _ => ("206 Partial Content", format!("Content-Range: bytes {from}-{}/{n}\r\n", n - 1)),
        };
        let is_broken =
            self.breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let is_silent = repo == "org/silent";
        let rest_sent = if is_silent {
            &[]
        } else if is_broken {
            &rest[..rest.len().min(BROKEN)]
        } else {
            rest
        };
        let head = format!("HTTP/1.1 {status}\r\n{range}Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
        out.write_all(head.as_bytes()).ok()?;
        for block in rest_sent.chunks(200_000) {
            out.write_all(block).ok()?;
            thread::sleep(*self.slow.lock().expect("no test panics here"));
        }
        Some(())
    }

    fn n_asked(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method == method).count()
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics here").clone()
    }

    fn forget(&self) {
        self.asked.lock().expect("no test panics here").clear();
    }

    /// What was asked of the other server for its bytes.
    fn large(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| !asked.at_hub).collect()
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there")
}

/// A name that would lead out of the cache.
fn odd_headers() -> String {
    format!("ETag: \"../../../../x\"\r\nX-Repo-Commit: {COMMIT}\r\n")
}

fn reply(out: &mut TcpStream, asked: &Asked, status: &str, headers: &str, body: &[u8]) -> Option<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    out.write_all(head.as_bytes()).ok()?;
    if asked.method == "HEAD" { Some(()) } else { out.write_all(body).ok() }
}

// The client.

/// `rxlt` with this server, and a cache in the folder.
fn command(folder: &Path, server: &Server, args: &[&str]) -> Command {
    let mut command = rxlt(folder, args);
    let others =
        ["HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH", "TRANSFORMERS_OFFLINE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"];
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    for name in others.into_iter().chain(proxies) {
        command.env_remove(name);
    }
    command.env_remove("HF_HUB_OFFLINE").env_remove("HF_HUB_CACHE");
    command.env("HF_HOME", folder.join("hf")).env("HF_ENDPOINT", &server.hub).env("HF_TOKEN", TOKEN);
    command
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(all).expect("rxlt writes UTF-8");
    for secret in [TOKEN, SIGNATURE] {
        assert!(!text.contains(secret), "a secret is shown:\n{text}");
    }
    text
}

#[track_caller]
fn check(mut command: Command, code: i32, parts: &[&str]) -> String {
    let output = command.output().expect("the binary runs");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "expected \"{part}\" in:\n{text}");
    }
    text
}

fn show(folder: &Path, server: &Server, name: &str) -> Command {
    command(folder, server, &["model", "show", name, "--json"])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn repository(folder: &Path, name: &str) -> PathBuf {
    folder.join("hf/hub").join(format!("models--{}", name.replace('/', "--")))
}

/// Whether the cache has the encoder, bit by bit, and nothing half.
#[track_caller]
fn check_cache(folder: &Path, name: &str) {
    let repository = repository(folder, name);
    for file in ["config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"] {
        let found = fs::read(repository.join("snapshots").join(COMMIT).join(file)).expect(file);
        assert!(found == fs::read(encoder().join(file)).expect("it ships"), "{file} differs");
    }
    assert_eq!(names(&repository.join("blobs")).len(), 4, "{:?}", names(&repository.join("blobs")));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

// The tests.

fn fetched_once() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    for name in ["org/tiny", "tiny"] {
        let commit = format!("\"commit\": \"{COMMIT}\"");
        check(show(path, &server, name), 0, &["fetching model.safetensors", &commit, "\"xlm-roberta\""]);
        check_cache(path, name);
        let repository = repository(path, name);
        assert_eq!(fs::read_to_string(repository.join("refs/main")).expect("the ref"), COMMIT);
        assert_eq!(names(&repository.join(".no_exist").join(COMMIT)), ["added_tokens.json", "rxlt.json"]);
        #[cfg(unix)]
        {
            let weights = fs::read(encoder().join("model.safetensors")).expect("it ships");
            let link = fs::read_link(repository.join("snapshots").join(COMMIT).join("model.safetensors"));
            assert_eq!(link.expect("a link"), Path::new("../../blobs").join(sha256(&weights)));
        }
        server.forget();
        for again in [name.to_owned(), format!("{name}@{COMMIT}")] {
            let text = check(show(path, &server, &again), 0, &[&commit]);
            assert!(!text.contains("fetching"), "{text}");
        }
        assert!(server.asked().is_empty(), "the hub is asked though all is there: {:?}", server.asked());
    }
    // A folder of that name wins.
    fs::create_dir_all(path.join("org/tiny")).expect("a folder");
    fs::copy(encoder().join("config.json"), path.join("org/tiny/config.json")).expect("a copy");
    check(show(path, &server, "org/tiny"), 66, &["org/tiny: expected weights"]);
    check(show(path, &server, "org/none"), 66, &["there is no org/none/config.json"]);
    check(show(path, &server, "./tiny"), 66, &["there is no ./tiny/config.json"]);
    assert!(server.asked().is_empty());
    Outcome::Passed
}

#[cfg(unix)]
fn modes() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let (folder, server) = (folder(), Server::start());
    let binary = env!("CARGO_BIN_EXE_rxlt");
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path()).args([
        "-c",
        "umask 027; exec \"$0\" model show org/tiny --json --backend cpu",
        binary,
    ]);
    shell.env("HF_HOME", folder.path().join("hf")).env("HF_ENDPOINT", &server.hub).env_remove("HF_HUB_OFFLINE");
    shell.env_remove("HF_HUB_CACHE").env_remove("HF_TOKEN");
    check(shell, 0, &[]);
    let repository = repository(folder.path(), "org/tiny");
    let mode = |path: PathBuf| fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    for blob in names(&repository.join("blobs")) {
        assert_eq!(mode(repository.join("blobs").join(&blob)), 0o640, "{blob}");
    }
    assert_eq!((mode(repository.join("refs/main")), mode(repository.join("snapshots"))), (0o640, 0o750));
    Outcome::Passed
}

#[cfg(not(unix))]
fn modes() -> Outcome {
    Outcome::Ignored("there is no umask here".to_owned())
}

fn token() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    check(show(folder.path(), &server, "org/private"), 0, &[]);
    let bearer = format!("Bearer {TOKEN}");
    for asked in server.asked() {
        assert_eq!(asked.token.is_some(), asked.at_hub, "{asked:?}");
        assert!(asked.token.is_none_or(|token| token == bearer));
    }
    assert!(!server.large().is_empty(), "the redirect was followed");
    // The token of a file, and none.
    server.forget();
    fs::write(folder.path().join("hf/token"), "hf_ofTheFile\n").expect("it is written");
    let mut with_file = show(folder.path(), &server, "tiny");
    with_file.env_remove("HF_TOKEN");
    check(with_file, 0, &[]);
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.token.is_none() || asked.token.as_deref() == Some("Bearer hf_ofTheFile"))
    );
    fs::remove_file(folder.path().join("hf/token")).expect("it is there");
    let mut without = show(folder.path(), &server, "org/other");
    server.forget();
    without.env_remove("HF_TOKEN");
    check(without, 0, &[]);
    assert!(server.asked().iter().all(|asked| asked.token.is_none()));
    Outcome::Passed
}

fn refusals() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let cases: &[(&str, bool, i32, &[&str])] = &[
        ("org/gated", true, 77, &["accepted its licence (403)", "/org/gated", "the access token of HF_TOKEN has not"]),
        ("org/gated", false, 77, &["accepted its licence", "set HF_TOKEN to an access token"]),
        (
            "org/private",
            false,
            66,
            &["there is no folder \"org/private\" here", "no model org/private (401)", "HF_TOKEN"],
        ),
        ("org/expired", true, 77, &["does not accept the access token of HF_TOKEN (401", "make a new one"]),
        ("org/expired", false, 66, &["no model org/expired (401)"]),
        ("org/forbidden", true, 77, &["does not allow it (403, \"it says so\")"]),
        ("org/none", true, 66, &["no model org/none (404)", "look at the spelling"]),
        ("org/tiny@v7", true, 66, &["org/tiny has no revision v7"]),
        ("org/limited", true, 74, &["asked too often from here (429)", "in 3600 s"]),
    ];
    for (name, with_token, code, parts) in cases {
        let mut command = show(folder.path(), &server, name);
        if !with_token {
            command.env_remove("HF_TOKEN");
        }
        check(command, *code, parts);
    }
    assert_eq!(server.n_asked("GET"), 0);
    server.files.lock().expect("no test panics here").remove("model.safetensors");
    check(show(folder.path(), &server, "org/tiny"), 66, &["org/tiny has none of model.safetensors", "rxlt reads"]);
    let mut dead = show(folder.path(), &server, "org/new");
    dead.env("HF_ENDPOINT", "http://127.0.0.1:9");
    check(dead, 74, &["cannot reach 127.0.0.1", "look at network and proxy"]);
    let mut nowhere = show(folder.path(), &server, "org/new");
    nowhere.env("HF_ENDPOINT", "https://no-such-host.invalid");
    check(nowhere, 74, &["cannot reach no-such-host.invalid"]);
    let mut odd = show(folder.path(), &server, "org/new");
    odd.env("HF_ENDPOINT", "https://me:hf_neverToBeSeenAnywhere@hub");
    check(odd, 2, &["HF_ENDPOINT: expected an address"]);
    Outcome::Passed
}

fn not_a_hub() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    for (name, found) in [
        ("org/portal", "found a web page"),
        ("org/page", "found a web page"),
        ("org/away", "found a redirect to no HTTPS address"),
        ("org/round", "found one redirect after the other"),
        ("org/odd", "found an answer without commit, hash and size"),
    ] {
        check(show(folder.path(), &server, name), 65, &[found, "HF_ENDPOINT"]);
        assert!(!repository(folder.path(), name).join("snapshots").exists(), "{name}");
    }
    assert!(!folder.path().join("x").exists());
    Outcome::Passed
}

fn busy() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let start = Instant::now();
    check(show(folder.path(), &server, "org/busy"), 0, &[]);
    assert!(start.elapsed() >= Duration::from_secs(1), "it asked for a pause of a second");
    check_cache(folder.path(), "org/busy");
    Outcome::Passed
}

fn breaks() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    server.breaks.store(3, Ordering::SeqCst);
    check(show(folder.path(), &server, "org/tiny"), 0, &[]);
    check_cache(folder.path(), "org/tiny");
    let ranges: Vec<usize> = server.large().iter().map(|asked| asked.range.unwrap_or(0)).collect();
    assert_eq!(ranges, [0, BROKEN, 2 * BROKEN, 3 * BROKEN], "it goes on where it broke off");
    // One that gives no byte is given up after some tries, and what has arrived is kept.
    let name = "org/silent";
    check(show(folder.path(), &server, name), 74, &["broke off after 0 of", "run the same command"]);
    assert_eq!(names(&repository(folder.path(), name).join("snapshots").join(COMMIT)).len(), 3);
    Outcome::Passed
}

fn no_ranges() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    server.breaks.store(1, Ordering::SeqCst);
    check(show(folder.path(), &server, "org/whole"), 0, &[]);
    check_cache(folder.path(), "org/whole");
    assert_eq!(server.large().len(), 2);
    Outcome::Passed
}

fn wrong_hash() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    for _ in 0..2 {
        check(
            show(folder.path(), &server, "org/wrong"),
            65,
            &["model.safetensors", "found SHA-256", "nothing of it is kept"],
        );
        let blobs = names(&repository(folder.path(), "org/wrong").join("blobs"));
        assert_eq!(blobs.len(), 3, "{blobs:?}");
        assert!(!blobs.iter().any(|name| name.ends_with(".incomplete")));
    }
    Outcome::Passed
}

fn wrong_beginning() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let weights = fs::read(encoder().join("model.safetensors")).expect("it ships");
    let blobs = repository(folder.path(), "org/tiny").join("blobs");
    fs::create_dir_all(&blobs).expect("a folder");
    let partial = blobs.join(format!("{}.incomplete", sha256(&weights)));
    fs::write(&partial, vec![7; 1_000_000]).expect("it is written");
    check(show(folder.path(), &server, "org/tiny"), 0, &["fetched again"]);
    check_cache(folder.path(), "org/tiny");
    // Longer than the file.
    let folder = self::folder();
    let blobs = repository(folder.path(), "org/tiny").join("blobs");
    fs::create_dir_all(&blobs).expect("a folder");
    fs::write(blobs.join(format!("{}.incomplete", sha256(&weights))), vec![7; weights.len() + 1])
        .expect("it is written");
    check(show(folder.path(), &server, "org/tiny"), 0, &[]);
    check_cache(folder.path(), "org/tiny");
    Outcome::Passed
}

fn two_at_once() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    *server.slow.lock().expect("no test panics here") = Duration::from_millis(10);
    let spawn = || {
        let mut command = show(folder.path(), &server, "org/tiny");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    };
    let outputs: Vec<Output> =
        [spawn(), spawn(), spawn()].into_iter().map(|child| child.wait_with_output().expect("it ends")).collect();
    for output in &outputs {
        let text = said(output);
        assert!(output.status.success(), "{text}");
    }
    check_cache(folder.path(), "org/tiny");
    assert_eq!(server.large().len(), 1, "{:?}", server.large());
    let waited = |output: &&Output| said(output).contains("waiting for another process that fetches");
    assert!(outputs.iter().filter(waited).count() >= 2);
    Outcome::Passed
}

fn killed() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    *server.slow.lock().expect("no test panics here") = Duration::from_millis(4);
    let mut state = 42_u64;
    let mut n_killed = 0;
    let whole = repository(folder.path(), "org/tiny").join("snapshots").join(COMMIT).join("model.safetensors");
    while !whole.exists() {
        assert!(n_killed < 200, "it never gets whole");
        let mut child = show(folder.path(), &server, "org/tiny")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let longest = 180 + 30 * n_killed; // longer and longer, for a slow machine
        thread::sleep(Duration::from_millis(20 + (state >> 33) % longest));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        n_killed += 1;
    }
    assert!(n_killed > 2, "it was killed {n_killed} times before it was whole");
    assert!(server.large().iter().any(|asked| asked.range.is_some()), "it went on");
    check(show(folder.path(), &server, "org/tiny"), 0, &[]);
    check_cache(folder.path(), "org/tiny");
    Outcome::Passed
}

/// In a namespace that has no network at all.
fn no_network() -> Outcome {
    let allowed = Command::new("unshare").args(["-rn", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return Outcome::Ignored("unshare -rn is not allowed here".to_owned());
    }
    let (folder, server) = (folder(), Server::start());
    let apart = |args: &[&str]| {
        let inner = command(folder.path(), &server, args);
        let mut outer = Command::new("unshare");
        outer.arg("-rn").arg(inner.get_program()).args(inner.get_args()).current_dir(folder.path());
        for (key, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(key, value),
                None => outer.env_remove(key),
            };
        }
        outer
    };
    check(apart(&["model", "show", "org/tiny"]), 74, &["cannot reach 127.0.0.1"]);
    check(apart(&["--offline", "model", "show", "org/tiny"]), 66, &["the cache", "go on without --offline"]);
    check(show(folder.path(), &server, "org/tiny"), 0, &[]);
    server.forget();
    for args in [&["--offline", "model", "show", "org/tiny"][..], &["model", "show", "org/tiny"]] {
        check(apart(args), 0, &["xlm-roberta"]);
    }
    let mut traced = command(folder.path(), &server, &["model", "show", "org/absent"]);
    traced.env("HF_HUB_OFFLINE", "1");
    check(traced, 66, &["has no model of this name"]);
    let mut other = command(folder.path(), &server, &["model", "show", "org/tiny@v9"]);
    other.env("HF_HUB_OFFLINE", "1");
    check(other, 66, &["has not the revision \"v9\" of it"]);
    assert!(server.asked().is_empty());
    Outcome::Passed
}

fn offline() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    check(show(path, &server, "org/tiny"), 0, &[]);
    server.forget();
    let snapshot = repository(path, "org/tiny").join("snapshots").join(COMMIT);
    let offline = |args: &[&str]| {
        let mut command = command(path, &server, args);
        command.env("HF_HUB_OFFLINE", "1");
        command
    };
    let show = ["model", "show", "org/tiny"];
    // What Python may not have asked for is not missed, but said.
    fs::remove_dir_all(repository(path, "org/tiny").join(".no_exist")).expect("it is there");
    check(offline(&show), 0, &["whether it has rxlt.json, added_tokens.json is not known"]);
    let mut unreachable = self::show(path, &server, "org/tiny");
    unreachable.env("HF_ENDPOINT", "http://127.0.0.1:9");
    check(
        unreachable,
        0,
        &["whether it has rxlt.json, added_tokens.json is not known (org/tiny: cannot reach 127.0.0.1"],
    );
    fs::remove_file(snapshot.join("model.safetensors")).expect("it is there");
    check(offline(&show), 66, &["not all of it (model.safetensors or", "go on without --offline"]);
    let recipe = ["run", "xnli-adv", "--model", "org/none", "--data", "no-data"];
    check(offline(&recipe), 66, &["model.path: there is no \"org/none\" here", "data.folder: there is no \"no-data\""]);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    // With a network the blob that is there gets its name again, and what was never asked is.
    check(self::show(path, &server, "org/tiny"), 0, &[]);
    assert_eq!((server.large().len(), server.n_asked("GET")), (0, 0), "{:?}", server.asked());
    check_cache(path, "org/tiny");
    Outcome::Passed
}

fn openssl(folder: &Path, args: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(args.split(' ')).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that ends with the test, also where that fails.
struct Speaker(Child);

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server behind TLS whose certificate nobody knows, until `SSL_CERT_FILE` says so.
fn certificates() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    let made = openssl(
        path,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj \
         /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
    )
    .status();
    if !made.is_ok_and(|status| status.success()) {
        return Outcome::Ignored("there is no openssl that makes certificates".to_owned());
    }
    let port = listener().local_addr().expect("it is bound").port();
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\nX-Error-Code: EntryNotFound\r\nX-Repo-Commit: {COMMIT}\r\nContent-Length: 0\r\n\r\n"
    );
    for (trusted, code, says) in [
        (None, 74, "cannot reach localhost: "),
        (Some("cert.pem"), 66, "org/tls has none of config.json"),
        (Some("key.pem"), 65, "key.pem: expected certificates in PEM, found none"),
    ] {
        let mut speaker = openssl(path, &format!("s_server -accept {port} -cert cert.pem -key key.pem"));
        let mut speaker = Speaker(speaker.stdout(Stdio::piped()).spawn().expect("openssl is there"));
        speaker.0.stdin.as_mut().expect("it is piped").write_all(answer.as_bytes()).expect("it listens");
        let mut lines = BufReader::new(speaker.0.stdout.take().expect("it is piped")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line == "ACCEPT")), "it listens");
        let mut command = show(path, &server, "org/tls");
        command.env("HF_ENDPOINT", format!("https://localhost:{port}"));
        trusted.iter().for_each(|file| _ = command.env("SSL_CERT_FILE", path.join(file)));
        check(command, code, &[says]);
    }
    assert!(server.asked().is_empty());
    Outcome::Passed
}

/// Instead of `model.safetensors`: shards of it, an index that lies, and a file of PyTorch.
fn offer_other_weights(folder: &Path, server: &Server) {
    let weights = Weights::open(&encoder()).expect("it ships");
    let mut files = server.files.lock().expect("no test panics here");
    files.remove("model.safetensors");
    let names: Vec<&str> = weights.names().collect();
    let mut map = serde_json::Map::new();
    for (i, part) in names.chunks(names.len().div_ceil(2)).enumerate() {
        let shard = format!("model-{}-of-2.safetensors", i + 1);
        let shape = |name: &str| weights.shape(name).expect("it is there");
        let entries: Vec<Entry> = part
            .iter()
            .map(|name| Entry { name, shape: shape(name), values: Values::Stored(&weights, Float::F16) })
            .collect();
        write(&folder.join(&shard), &entries, &[]).expect("it is written");
        part.iter().for_each(|name| _ = map.insert((*name).to_owned(), shard.clone().into()));
        let bytes = fs::read(folder.join(&shard)).expect("it was written");
        files.insert(format!("org/sharded/{shard}"), Stored { bytes, large: true });
    }
    let index = serde_json::json!({ "weight_map": map }).to_string().into_bytes();
    let mut offer = |name: &str, bytes: &[u8], large| {
        files.insert(name.to_owned(), Stored { bytes: bytes.to_vec(), large });
    };
    offer("org/sharded/model.safetensors.index.json", &index, false);
    offer("org/lying/model.safetensors.index.json", br#"{"weight_map":{"a":"../../../../x"}}"#, false);
    offer("org/torch/pytorch_model.bin", b"\x80\x02.", true);
}

fn other_weights() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    offer_other_weights(folder.path(), &server);
    check(show(folder.path(), &server, "org/sharded"), 0, &["fetching model-2-of-2.safetensors", "\"weights\""]);
    assert_eq!(server.large().len(), 2);
    // A shard that went is fetched again.
    let repository = repository(folder.path(), "org/sharded");
    let shard = repository.join("snapshots").join(COMMIT).join("model-1-of-2.safetensors");
    fs::remove_file(fs::canonicalize(&shard).expect("it is there")).expect("its blob is there");
    check(show(folder.path(), &server, "org/sharded"), 0, &["fetching model-1-of-2.safetensors"]);
    assert_eq!(server.large().len(), 3);
    check(show(folder.path(), &server, "org/lying"), 65, &["found \"../../../../x\""]);
    // That there are no safetensors is known from then on; what the file holds is refused by its reader.
    check(show(folder.path(), &server, "org/torch"), 65, &["fetching pytorch_model.bin", "pytorch_model.bin"]);
    server.forget();
    check(show(folder.path(), &server, "org/torch"), 65, &["pytorch_model.bin"]);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    Outcome::Passed
}

/// What is read beside a vocab.txt comes with it, so that a name gives the tokens that a folder gives.
fn beside_words() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let read = ["added_tokens.json", "special_tokens_map.json", "vocab.txt"];
    {
        let mut files = server.files.lock().expect("no test panics here");
        let json = files.remove("tokenizer.json").expect("it is offered");
        files.insert("org/json/tokenizer.json".into(), json);
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n";
        for (name, text) in read.into_iter().zip([r#"{"[NEW]": 6}"#, r#"{"sep_token": "[SEP]"}"#, words]) {
            files.insert(name.into(), Stored { bytes: text.into(), large: false });
        }
    }
    for (name, expected) in [("org/words", &read[..]), ("org/json", &read[..1])] {
        let _ = show(folder.path(), &server, name).output().expect("the binary runs"); // no model of BERT's, which it says
        let found = names(&repository(folder.path(), name).join("snapshots").join(COMMIT));
        let found: Vec<&str> = found.iter().map(String::as_str).filter(|name| read.contains(name)).collect();
        assert_eq!(found, expected, "{name}");
    }
    Outcome::Passed
}

fn run() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    fs::write(path.join("small.toml"), SMALL).expect("it is written");
    let command = |more: &[&str]| {
        command(path, &server, &[&["run", "small.toml", "--backend", "cpu", "--output", "out"], more].concat())
    };
    check(command(&[]), 0, &["fetching model.safetensors of org/tiny"]);
    let pinned = format!("org/tiny@{COMMIT}");
    let resolved = fs::read_to_string(path.join("out/config.resolved.toml")).expect("it was written");
    assert!(resolved.contains(&format!("path = \"{pinned}\"")), "{resolved}");
    let environment = fs::read_to_string(path.join("out/env.json")).expect("it was written");
    assert!(environment.contains(&format!("\"model\": \"{pinned}\"")), "{environment}");
    let inputs = fs::read_to_string(path.join("out/inputs.json")).expect("it was written");
    assert!(inputs.contains(&format!("snapshots/{COMMIT}/model.safetensors")), "{inputs}");
    assert!([&resolved, &environment, &inputs].iter().all(|text| !text.contains(TOKEN)));
    server.forget();
    check(command(&["--offline"]), 0, &["going on"]);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    // The branch moves, and somebody else fetches it: the run does not go on with another model.
    fs::write(repository(path, "org/tiny").join("refs/main"), LATER).expect("it is written");
    check(command(&[]), 73, &[&format!("model.path: \"{pinned}\" there, \"org/tiny@{LATER}\" now")]);
    check(command(&["--model", &pinned]), 0, &["going on"]);
    Outcome::Passed
}

/// A run of XNLI on pairs of a data set.
fn on_data_set(folder: &Path, server: &Server, more: &[&str]) -> Command {
    let recipe =
        SMALL.replace("task = \"demo\"", "task = \"xnli\"").replace("org/tiny", &encoder().display().to_string());
    fs::write(folder.join("pairs.toml"), recipe).expect("it is written");
    let args = ["run", "pairs.toml", "--data", "hub:org/xnli", "--backend", "cpu", "--output", "out"];
    command(folder, server, &[&args[..], more].concat())
}

fn data_repository(folder: &Path) -> PathBuf {
    folder.join("hf/hub/datasets--org--xnli")
}

/// The files of a data set that the cache has.
fn data_files(folder: &Path) -> Vec<String> {
    let snapshot = data_repository(folder).join("snapshots").join(COMMIT);
    let mut found = Vec::new();
    for language in names(&snapshot) {
        for split in names(&snapshot.join(&language)) {
            for name in names(&snapshot.join(&language).join(&split)) {
                let file = format!("{language}/{split}/{name}");
                assert!(fs::read(snapshot.join(&file)).is_ok_and(|bytes| bytes.starts_with(b"PAR1")), "{file}");
                found.push(file);
            }
        }
    }
    found
}

fn data_set() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    server.offer_pairs("org/xnli");
    check(on_data_set(path, &server, &[]), 0, &["fetching en/train/0000.parquet of hub:org/xnli"]);
    let files = ["de/test/0000.parquet", "en/test/0000.parquet", "en/train/0000.parquet", "en/validation/0000.parquet"];
    assert_eq!(data_files(path), files);
    // Laid out as Python does; the hub's addresses have their slashes, and the token does not go on.
    let repository = data_repository(path);
    let branch = fs::read_to_string(repository.join("refs/refs/convert/parquet")).expect("it is there");
    assert_eq!((branch.as_str(), names(&repository.join("blobs")).len()), (COMMIT, 3));
    let asked = server.asked();
    let train = format!("/datasets/org/xnli/resolve/{COMMIT}/en/train/0000.parquet");
    assert!(asked.iter().any(|asked| asked.path == train), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.token.is_some() == asked.at_hub), "{asked:?}");
    let pinned = format!("hub:org/xnli@{COMMIT}");
    for (file, says) in [
        ("config.resolved.toml", format!("folder = \"{pinned}\"")),
        ("env.json", format!("\"data\": \"{pinned}\"")),
        ("inputs.json", format!("snapshots/{COMMIT}/de/test/0000.parquet")),
    ] {
        let text = fs::read_to_string(path.join("out").join(file)).expect("it was written");
        assert!(text.contains(&says) && !text.contains(TOKEN), "{file}: {text}");
    }
    // It goes on with that commit, and with no other.
    server.forget();
    check(on_data_set(path, &server, &["--offline"]), 0, &["going on"]);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    *server.commit.lock().expect("no test panics here") = LATER;
    check(on_data_set(path, &server, &[]), 0, &["going on"]);
    fs::remove_dir_all(&repository).expect("it is there");
    let later = format!("data.folder: \"{pinned}\" there, \"hub:org/xnli@{LATER}\" now");
    check(on_data_set(path, &server, &[]), 73, &[&later]);
    Outcome::Passed
}

fn data_set_offline() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    server.offer_pairs("org/xnli");
    let task = |more: &[&str]| command(path, &server, &[&["task", "check", "xnli", "--data"], more].concat());
    check(task(&["hub:org/xnli", "--offline"]), 66, &["has no list of its files", "go on without --offline"]);
    assert!(server.asked().is_empty());
    // All languages are read here; what was fetched for two is not taken for all of it.
    check(on_data_set(path, &server, &["--dry-run"]), 0, &["everything is in order"]);
    server.forget();
    check(task(&["hub:org/xnli", "--offline"]), 66, &["not all of it (1 files missing, fr/test/0000.parquet first)"]);
    assert!(server.asked().is_empty());
    check(task(&["hub:org/xnli"]), 0, &["test   fr", "train  en"]);
    // Its bytes are those of another language here, and are there already.
    let asked = server.asked();
    assert!(asked.len() == 1 && asked.iter().all(|asked| asked.path.ends_with("/fr/test/0000.parquet")), "{asked:?}");
    check(task(&["hub:org/xnli", "--offline"]), 0, &["test   fr"]);
    let model = encoder();
    let args = ["eval", "--model", &model.display().to_string(), "--task", "xnli", "--data", "hub:org/xnli@main"];
    check(command(path, &server, &[&args[..], &["--languages", "de"]].concat()), 66, &["no revision main"]);
    Outcome::Passed
}

fn data_set_refusals() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    server.offer_pairs("org/xnli");
    let data = |name: &str| command(path, &server, &["task", "check", "xnli", "--data", name]);
    check(data("hub:org"), 2, &["expected hub:org/name, perhaps with @revision, /config or both"]);
    check(data("hub:org/none"), 66, &["has no data set org/none", "look at the spelling"]);
    check(
        data("hub:org/xnli/de"),
        66,
        &["none of its 3 files, such as test/0000.parquet is one of xnli", "[[layouts]]"],
    );
    let add = |name: &str| {
        let stored = Stored { bytes: b"PAR1 and no more".to_vec(), large: false };
        server.files.lock().expect("no test panics here").insert(name.to_owned(), stored);
    };
    add("datasets/org/gap/en/train/0000.parquet");
    add("datasets/org/gap/en/train/0002.parquet");
    check(data("hub:org/gap"), 65, &["hub:org/gap: en/train: expected 0001.parquet, the next part of the table"]);
    add("datasets/org/cut/en/test/0000.parquet");
    check(
        data("hub:org/cut"),
        65,
        &["en/test/0000.parquet: expected Parquet, PAR1 to PAR1, found an end that is missing"],
    );
    assert!(!path.join("hf/hub/en").exists() && !path.join("hf/hub/datasets--org--xnli/en").exists());
    Outcome::Passed
}

/// A table in two parts is one: its rows are counted through, and what is wrong is said with the part.
fn data_set_in_parts() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    server.offer_pairs("org/one");
    server.offer_pairs("org/many");
    let part = |name: &str, from: &str| {
        let mut files = server.files.lock().expect("no test panics here");
        let bytes = files[&format!("datasets/org/one/{from}/0000.parquet")].bytes.clone();
        files.insert(format!("datasets/org/many/{name}"), Stored { bytes, large: false });
    };
    part("en/train/0001.parquet", "en/validation");
    let checked = |set: &str| {
        let output = command(path, &server, &["task", "check", "xnli", "--data", set]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let row = said.lines().find(|line| line.contains("train")).unwrap_or_else(|| panic!("{said}"));
        row.split_whitespace().find_map(|cell| cell.parse::<usize>().ok()).unwrap_or_else(|| panic!("{row}"))
    };
    let [one, many] = ["hub:org/one", "hub:org/many"].map(checked);
    assert_eq!(many, 2 * one);
    // Each part is recorded by its own hash, and named where it is damaged.
    let folder_of =
        |language: &str| path.join(format!("hf/hub/datasets--org--many/snapshots/{COMMIT}/{language}/train"));
    assert_eq!(names(&folder_of("en")), ["0000.parquet", "0001.parquet"]);
    server.offer_pairs("org/torn");
    let damaged = Stored { bytes: b"PAR1 and no more".to_vec(), large: false };
    server.files.lock().expect("no test panics here").insert("datasets/org/torn/en/train/0001.parquet".into(), damaged);
    let torn = command(path, &server, &["task", "check", "xnli", "--data", "hub:org/torn"]);
    check(torn, 65, &["en/train/0001.parquet: expected Parquet, PAR1 to PAR1, found an end that is missing"]);
    Outcome::Passed
}

fn data_set_hashes() -> Outcome {
    let (folder, server) = (folder(), Server::start());
    let path = folder.path();
    server.offer_pairs("org/wrong");
    let data = command(path, &server, &["task", "check", "xnli", "--data", "hub:org/wrong"]);
    check(data, 65, &["en/train/0000.parquet: expected", "SHA-256", "nothing of it is kept"]);
    assert!(!path.join(format!("hf/hub/datasets--org--wrong/snapshots/{COMMIT}/en/train/0000.parquet")).exists());
    Outcome::Passed
}

/// A recipe that takes seconds.
const SMALL: &str = r#"
name = "small"
languages = ["en", "de"]

[model]
path = "org/tiny"

[data]
folder = "demo"
max_eval_samples = 10

[[stages]]
task = "demo"
updates = 2
batch_size = 4
max_train_samples = 20
max_length = 32
"#;
