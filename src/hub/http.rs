//! Questions to the hub, and what its answers mean.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::{HeaderMap, HeaderValue, Response, Uri},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{
    Name, Repository, Secret, Settings,
    name::{is_commit, is_word},
};
use crate::{
    error::{Error, Result},
    input,
};

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 6;
/// How long a connection, an answer, or the next bytes of a file may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest that a hub which asks for a pause is waited for.
const LONGEST_PAUSE: u64 = 20;

/// The most bytes of a list of files.
const LONGEST_LIST: u64 = 64 << 20;

/// What the hub says of a data set, as far as it is read.
#[derive(Deserialize)]
struct Listed {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// A hub and a model or data set there.
pub(super) struct Client<'a> {
    agent: Agent,
    name: &'a Name,
    endpoint: Uri,
    /// What it is called in messages: never with a path or a query, which may hold signatures.
    host: String,
    url: String,
    token: Option<(Secret, String)>,
}

/// What the hub says of a file.
pub(super) enum Answer {
    There(Meta),
    Absent { commit: Option<String> },
}

/// A file on the hub.
#[derive(Debug)]
pub(super) struct Meta {
    pub commit: String,
    /// What its bytes are called: their SHA-256, or git's hash of a small file.
    pub hash: String,
    pub size: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: Error,
    /// Whether it may go otherwise in a while.
    pub passes: bool,
    /// How long the hub asks to wait.
    pub pause: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, passes: false, pause: None }
    }
}

impl Failure {
    pub fn passing(error: Error) -> Failure {
        Failure { error, passes: true, pause: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Head,
    Get,
}

impl<'a> Client<'a> {
    pub fn new(settings: &Settings, name: &'a Name) -> Result<Client<'a>> {
        let url = settings.endpoint();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0) // followed here, where it is known to whom the token may go
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .tls_config(tls(settings.certificates())?)
            .accept("*/*")
            .accept_encoding("identity") // sizes and hashes are of the bytes as they are
            .user_agent(concat!("rxlt/", env!("CARGO_PKG_VERSION")));
        let endpoint: Uri = url.parse().map_err(|_| Error::Usage("HF_ENDPOINT: expected an address".to_owned()))?;
        let host = endpoint.authority().map_or_else(String::new, ToString::to_string);
        let token = settings.token()?;
        Ok(Client { agent: config.build().into(), name, endpoint, host, url: url.to_owned(), token })
    }

    /// Asks for a file without its bytes.
    pub fn ask(&self, revision: &str, file: &str) -> Result<Answer, Failure> {
        let (response, seen) = self.call(Method::Head, &self.address(revision, file), 0)?;
        let header = |name: &str| seen.get(name).and_then(|value| value.to_str().ok());
        let commit = header("x-repo-commit").filter(|commit| is_commit(commit)).map(str::to_owned);
        let status = response.status().as_u16();
        let code = header("x-error-code").unwrap_or_default();
        // A mirror may say no more than 404; where the commit is known the model is there, and the file is not.
        if code == "EntryNotFound" || (status == 404 && code.is_empty() && is_commit(revision)) {
            return Ok(Answer::Absent { commit });
        }
        if !(200..400).contains(&status) {
            return Err(self.refusal(revision, status, &seen));
        }
        let hash = header("x-linked-etag").or(header("etag")).map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
        let length = if status == 200 { header("content-length") } else { None };
        let size = header("x-linked-size").or(length).and_then(|size| size.parse().ok());
        match (commit, hash.filter(|hash| is_hash(hash)), size) {
            (Some(commit), Some(hash), Some(size)) => Ok(Answer::There(Meta { commit, hash: hash.to_owned(), size })),
            _ => Err(self.no_hub(file, &seen).into()),
        }
    }

    /// The commit that a revision of a data set means, and the files that it has. Names that no file here may have are
    /// passed over.
    pub fn list(&self, revision: &str) -> Result<(String, Vec<String>), Failure> {
        let address = format!("{}/api/datasets/{}/revision/{}", self.url, self.name.repo, escaped(revision));
        let (response, seen) = self.call(Method::Get, &address, 0)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(self.refusal(revision, status, &seen));
        }
        let mut bytes = Vec::new();
        let read = response.into_body().into_reader().take(LONGEST_LIST).read_to_end(&mut bytes);
        read.map_err(|error| Failure::passing(Error::Io(format!("{}: {} broke off: {error}", self.name, self.host))))?;
        let listed = serde_json::from_slice(&bytes).ok().filter(|listed: &Listed| is_commit(&listed.sha));
        let listed = listed.ok_or_else(|| self.no_hub("the list of files", &seen))?;
        let files = listed.siblings.into_iter().map(|file| file.rfilename);
        Ok((listed.sha, files.filter(|file| file.split('/').all(is_word)).collect()))
    }

    /// Asks for the bytes of a file from `from` on.
    pub fn get(&self, commit: &str, file: &str, from: u64) -> Result<Response<Body>, Failure> {
        let (response, seen) = self.call(Method::Get, &self.address(commit, file), from)?;
        match response.status().as_u16() {
            200 | 206 | 416 if is_page(response.headers()) => Err(self.no_hub(file, &seen).into()),
            200 | 206 | 416 => Ok(response),
            status => Err(self.refusal(commit, status, &seen)),
        }
    }

    /// What the hub is called.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn address(&self, revision: &str, file: &str) -> String {
        let file: Vec<String> = file.split('/').map(escaped).collect();
        format!("{}/resolve/{}/{}", self.page(), escaped(revision), file.join("/"))
    }

    /// Where the hub shows the repository.
    fn page(&self) -> String {
        let folder = match self.name.kind {
            Repository::Model => "",
            Repository::DataSet => "datasets/",
        };
        format!("{}/{folder}{}", self.url, self.name.repo)
    }

    /// The last answer, and the headers of all on the way to it, the later before the earlier. What is asked without
    /// its bytes is not asked of others where the hub itself has said enough.
    fn call(&self, method: Method, address: &str, from: u64) -> Result<(Response<Body>, HeaderMap), Failure> {
        let mut uri: Uri = address.parse().map_err(|_| self.odd("an address that is none"))?;
        let mut seen = HeaderMap::new();
        for _ in 0..MOST_REDIRECTS {
            let response = self.send(method, &uri, from)?;
            response.headers().iter().for_each(|(name, value)| _ = seen.insert(name.clone(), value.clone()));
            let location = response.headers().get("location").filter(|_| response.status().is_redirection());
            let Some(location) = location else { return Ok((response, seen)) };
            let next = self.follow(&uri, location)?;
            if method == Method::Head && seen.contains_key("x-repo-commit") && !same_origin(&next, &self.endpoint) {
                return Ok((response, seen));
            }
            uri = next;
        }
        Err(self.odd("one redirect after the other").into())
    }

    fn send(&self, method: Method, uri: &Uri, from: u64) -> Result<Response<Body>, Failure> {
        let mut request = match method {
            Method::Head => self.agent.head(uri),
            Method::Get => self.agent.get(uri),
        };
        if let Some((token, place)) = self.token.as_ref().filter(|_| same_origin(uri, &self.endpoint)) {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| Error::Denied(format!("{place}: this cannot be an access token; copy it again")))?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call().map_err(|error| self.unreachable(uri, &error))
    }

    /// Where a redirect leads: by HTTP or HTTPS, and not from the latter to the former.
    fn follow(&self, from: &Uri, location: &HeaderValue) -> Result<Uri> {
        let location = location.to_str().unwrap_or_default();
        let origin =
            || format!("{}://{}", from.scheme_str().unwrap_or("https"), from.authority().map_or("", |a| a.as_str()));
        let absolute = match location.strip_prefix("//") {
            Some(rest) => format!("{}://{rest}", from.scheme_str().unwrap_or("https")),
            None if location.starts_with('/') => origin() + location,
            None => location.to_owned(),
        };
        let next: Uri = absolute.parse().map_err(|_| self.odd("a redirect to no HTTPS address"))?;
        match (from.scheme_str(), next.scheme_str()) {
            (_, Some("https")) | (Some("http"), Some("http")) => Ok(next),
            _ => Err(self.odd("a redirect to no HTTPS address")),
        }
    }

    fn odd(&self, found: &str) -> Error {
        let (host, name) = (&self.host, self.name);
        Error::Data(format!("{name}: expected a file from {host}, found {found}; look at HF_ENDPOINT and at proxies"))
    }

    /// An answer that no hub gives.
    fn no_hub(&self, file: &str, seen: &HeaderMap) -> Error {
        let found = if is_page(seen) { "a web page" } else { "an answer without commit, hash and size" };
        let (host, name) = (&self.host, self.name);
        let remedy = "log in to the network if it asks for that, and look at HF_ENDPOINT and at proxies";
        Error::Data(format!("{name}: expected {file} from {host}, found {found}; {remedy}"))
    }

    /// Why the hub does not give a file, in words that help.
    fn refusal(&self, revision: &str, status: u16, seen: &HeaderMap) -> Failure {
        let header = |name: &str| seen.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (host, name, page) = (&self.host, self.name, self.page());
        let (repo, noun) = (&name.repo, name.kind.noun());
        let said: String = header("x-error-message").chars().filter(|c| !c.is_control()).take(200).collect();
        let said = if said.is_empty() { said } else { format!(", \"{said}\"") };
        match (status, header("x-error-code")) {
            (_, "RevisionNotFound") => {
                Error::Missing(format!("{repo} has no revision {revision} on {host}; name one of {page}")).into()
            }
            (_, "GatedRepo") => Error::Denied(self.gated(status)).into(),
            (_, "RepoNotFound") | (404, _) => Error::Missing(self.nowhere(status)).into(),
            (401, _) if self.token.is_none() => Error::Missing(self.nowhere(status)).into(),
            (401, _) => {
                let place = self.token.as_ref().map_or("", |(_, place)| place);
                let remedy = "make a new one in the hub's settings, or unset it for what is open to all";
                Error::Denied(format!(
                    "{name}: {host} does not accept the access token of {place} (401{said}); {remedy}"
                ))
                .into()
            }
            (403, _) => {
                let remedy = format!("use an access token that may read this {noun} (HF_TOKEN)");
                Error::Denied(format!("{name}: {host} does not allow it (403{said}); {remedy}")).into()
            }
            (429, _) => self.too_many(header("retry-after")),
            (500..600, _) => {
                let remedy = "try again later; what has arrived is kept";
                Failure::passing(Error::Io(format!("{name}: {host} fails ({status}{said}); {remedy}")))
            }
            _ => self.odd(&format!("status {status}{said}")).into(),
        }
    }

    fn gated(&self, status: u16) -> String {
        let (host, name, page) = (&self.host, self.name, self.page());
        let token = match &self.token {
            Some((_, place)) => format!("the account of the access token of {place} has not"),
            None => "then set HF_TOKEN to an access token of that account".to_owned(),
        };
        format!("{name}: {host} gives it to those who have accepted its licence ({status}); do so at {page}: {token}")
    }

    fn nowhere(&self, status: u16) -> String {
        let (host, name, repo, noun) = (&self.host, self.name, &self.name.repo, self.name.kind.noun());
        let private = match &self.token {
            Some((_, place)) => format!("or the access token of {place} may not see it"),
            None => "or it is private, and wants an access token (HF_TOKEN)".to_owned(),
        };
        let here = match self.name.kind {
            Repository::Model => format!("there is no folder \"{name}\" here, and "),
            Repository::DataSet => String::new(),
        };
        format!("{here}{host} has no {noun} {repo} ({status}), {private}; look at the spelling")
    }

    fn too_many(&self, after: &str) -> Failure {
        let (host, name) = (&self.host, self.name);
        let seconds = after.trim().parse::<u64>().ok();
        let when = seconds.map_or("later".to_owned(), |seconds| format!("in {seconds} s"));
        let token = if self.token.is_some() { "" } else { ", or set HF_TOKEN, since accounts may ask more often" };
        let error = Error::Io(format!(
            "{name}: {host} is asked too often from here (429); try again {when}{token}; what has arrived is kept"
        ));
        let pause = seconds.filter(|seconds| *seconds <= LONGEST_PAUSE).map(Duration::from_secs);
        Failure { error, passes: pause.is_some(), pause }
    }

    /// A failure of the network. Addresses behind redirects are named by their host alone.
    fn unreachable(&self, uri: &Uri, error: &ureq::Error) -> Failure {
        let host = uri.host().unwrap_or(&self.host);
        let (why, passes) = match error {
            ureq::Error::HostNotFound => ("its name is not known here".to_owned(), false),
            ureq::Error::Io(error) => (error.to_string(), error.kind() != io::ErrorKind::ConnectionRefused),
            ureq::Error::Timeout(_) => (format!("no answer in {} s", PATIENCE.as_secs()), true),
            ureq::Error::BadUri(_) => ("this is no address".to_owned(), false),
            other => (other.to_string(), false),
        };
        let (name, remedy) = (self.name, "look at network and proxy (HTTPS_PROXY), or name a folder that holds it");
        Failure { passes, ..Error::Io(format!("{name}: cannot reach {host}: {why}; {remedy}")).into() }
    }
}

/// Whom to trust: Mozilla's list, which is built in, or what a company's proxy or mirror wants.
fn tls(certificates: Option<&Path>) -> Result<TlsConfig> {
    let Some(path) = certificates else { return Ok(TlsConfig::default()) };
    let bytes = input::read(path)?;
    let read = |item: Result<PemItem<'static>, ureq::Error>| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(Error::Data(format!("{}: expected certificates in PEM: {error}", path.display())))),
    };
    let found = parse_pem(&bytes).filter_map(read).collect::<Result<Vec<_>>>()?;
    let (path, remedy) = (path.display(), "mend or unset SSL_CERT_FILE or REQUESTS_CA_BUNDLE");
    match found.is_empty() {
        true => Err(Error::Data(format!("{path}: expected certificates in PEM, found none; {remedy}"))),
        false => Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(found))).build()),
    }
}

/// Scheme, host and port: to these alone the token goes.
fn same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().or(if uri.scheme_str() == Some("https") { Some(443) } else { Some(80) });
    let host = |uri: &Uri| uri.host().map(str::to_lowercase);
    a.scheme_str() == b.scheme_str() && host(a) == host(b) && port(a) == port(b)
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Whether a tag may be the name of a file.
fn is_hash(tag: &str) -> bool {
    (1..=128).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A text as one part of an address.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// How long to wait before the next of several tries, a little different in each process.
pub(super) fn pause(failures: u32) -> Duration {
    let nanoseconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    Duration::from_millis((250_u64 << failures.min(4)) + u64::from(nanoseconds % 250))
}
