//! Where the cache and the hub are, and who asks: what the environment says, in the order of Python's libraries.

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// The hub, where `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one who sends it.
    #[cfg(feature = "hub")]
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where models are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether no socket may be opened.
    pub offline: bool,
    cache: Option<PathBuf>,
    endpoint: String,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    certificates: Option<PathBuf>,
}

impl Settings {
    /// What the environment of this process says.
    pub fn from_environment() -> Result<Settings> {
        Settings::read(|name| env::var_os(name))
    }

    /// The same without a socket, where that is asked for.
    pub fn with_offline(self, offline: bool) -> Settings {
        Settings { offline: self.offline || offline, ..self }
    }

    /// What `variable` says, by the names of environment variables.
    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let user = set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
        let path = |name: &str| set(name).map(|value| expand(Path::new(&value), user.as_deref()));
        let home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| user.as_ref().map(|user| user.join(".cache/huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| home.as_ref().map(|home| home.join("hub")));
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().trim().to_owned());
        let is_on = |name: &str| {
            text(name).is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str()))
        };
        let endpoint = text("HF_ENDPOINT").map_or(ENDPOINT.to_owned(), |url| url.trim_end_matches('/').to_owned());
        check_endpoint(&endpoint)?;
        Ok(Settings {
            offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
            cache,
            endpoint,
            token: text("HF_TOKEN").filter(|token| !token.is_empty()).map(Secret),
            certificates: path("SSL_CERT_FILE").or_else(|| path("REQUESTS_CA_BUNDLE")),
            token_file: path("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token"))),
        })
    }

    /// The folder that holds all models.
    pub fn cache(&self) -> Result<&Path> {
        let remedy = "set HF_HUB_CACHE, HF_HOME or HOME, or name a folder that holds the model";
        self.cache.as_deref().ok_or_else(|| Error::Missing(format!("there is no cache folder for models; {remedy}")))
    }

    /// The address of the hub, without a slash at its end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The certificates of those who may vouch for the hub, in PEM, where they are not those of Mozilla's list.
    pub fn certificates(&self) -> Option<&Path> {
        self.certificates.as_deref()
    }

    /// The access token, and where it was found; none where the user has none.
    pub fn token(&self) -> Result<Option<(Secret, String)>> {
        let (token, place) = match (&self.token, &self.token_file) {
            (Some(token), _) => (token.clone(), "HF_TOKEN".to_owned()),
            (None, Some(path)) if path.is_file() => {
                let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
                (Secret(text.trim().to_owned()), path.display().to_string())
            }
            _ => return Ok(None),
        };
        match token.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            _ if token.0.is_empty() => Ok(None),
            true if is_readable_on_the_way(&self.endpoint) => Err(Error::Denied(format!(
                "HF_ENDPOINT is by plain http, where anybody on the way can read the access token of {place}; give an \
                 address by https, or unset HF_TOKEN and point HF_TOKEN_PATH at no file"
            ))),
            true => Ok(Some((token, place))),
            false => Err(Error::Denied(format!(
                "{place}: expected an access token of letters, digits and signs, found other characters; copy it again \
                 from the hub's settings"
            ))),
        }
    }
}

/// Whether what is sent there is not encrypted, and leaves this machine.
fn is_readable_on_the_way(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_here = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    !is_here && !host.eq_ignore_ascii_case("localhost")
}

/// An address by HTTP or HTTPS that shows no password.
fn check_endpoint(endpoint: &str) -> Result<()> {
    let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    let plain = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']));
    let remedy = "unset it for the hub itself";
    match plain {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "HF_ENDPOINT: expected an address such as {ENDPOINT}, without name and password; {remedy}"
        ))),
    }
}

/// `~/x` in the user's folder.
fn expand(path: &Path, user: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), user) {
        (Ok(rest), Some(user)) => user.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()))
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let all = [
            ("HF_HUB_CACHE", "/a"),
            ("HUGGINGFACE_HUB_CACHE", "/b"),
            ("HF_HOME", "/c"),
            ("XDG_CACHE_HOME", "/d"),
            ("HOME", "/e"),
        ];
        let expected = ["/a", "/b", "/c/hub", "/d/huggingface/hub", "/e/.cache/huggingface/hub"];
        for (i, expected) in expected.iter().enumerate() {
            assert_eq!(of(&all[i..]).unwrap().cache().unwrap(), Path::new(expected));
        }
        assert_eq!(of(&[("HF_HOME", "~/x"), ("HOME", "/e")]).unwrap().cache().unwrap(), Path::new("/e/x/hub"));
        assert_eq!(of(&[("HF_HUB_CACHE", ""), ("HOME", "/e")]).unwrap().cache, of(&[("HOME", "/e")]).unwrap().cache);
        assert_eq!(of(&[]).unwrap().cache().unwrap_err().exit_code(), 66);
    }

    #[test]
    fn offline_is_said_as_to_python() {
        for (value, expected) in [("1", true), ("TRUE", true), ("yes", true), ("0", false), ("", false), ("off", false)]
        {
            assert_eq!(of(&[("HF_HUB_OFFLINE", value)]).unwrap().offline, expected, "{value}");
        }
        assert!(of(&[]).unwrap().with_offline(true).offline && !of(&[]).unwrap().with_offline(false).offline);
    }

    #[test]
    fn a_token_is_found_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let other = folder.path().join("other").display().to_string();
        let token = |variables: &[(&str, &str)]| {
            let settings = of(variables).unwrap();
            assert!(!format!("{settings:?}").contains("hf_"), "{settings:?}");
            settings.token().map(|found| found.map(|(token, place)| (token.0, place)))
        };
        assert_eq!(token(&[("HF_HOME", &home)]).unwrap(), None);
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        fs::write(&other, "hf_other").unwrap();
        assert_eq!(token(&[("HF_HOME", &home)]).unwrap().unwrap().0, "hf_file");
        assert_eq!(token(&[("HF_HOME", &home), ("HF_TOKEN_PATH", &other)]).unwrap().unwrap().0, "hf_other");
        let of_variable = token(&[("HF_HOME", &home), ("HF_TOKEN", " hf_variable\n")]).unwrap().unwrap();
        assert_eq!(of_variable, ("hf_variable".into(), "HF_TOKEN".into()));
        let error = token(&[("HF_TOKEN", "hf_a\nX-Other: b")]).unwrap_err();
        assert!(error.exit_code() == 77 && !error.message().contains("hf_a"), "{error}");
        let to = |endpoint: &str| token(&[("HF_TOKEN", "hf_a"), ("HF_ENDPOINT", endpoint)]);
        for kept in ["https://x.org", "http://127.0.0.1:80/a", "http://localhost:1", "http://[::1]:8080"] {
            assert!(to(kept).unwrap().is_some(), "{kept}");
        }
        for open in
            ["http://x.org", "http://127.0.0.1.x.org", "http://localhost.x.org:80", "http://10.0.0.1", "http://[::2]"]
        {
            let error = to(open).unwrap_err();
            assert!(error.exit_code() == 77 && error.message().contains("plain http"), "{open}: {error}");
        }
        assert_eq!(token(&[("HF_HOME", "/nowhere"), ("HF_ENDPOINT", "http://x.org")]).unwrap(), None);
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_not_shown() {
        assert_eq!(of(&[]).unwrap().endpoint(), ENDPOINT);
        assert_eq!(of(&[("HF_ENDPOINT", "http://127.0.0.1:1/")]).unwrap().endpoint(), "http://127.0.0.1:1");
        for bad in ["ftp://x", "https://", "https://me:secret@x", "x", "https://x?y=secret"] {
            let error = of(&[("HF_ENDPOINT", bad)]).unwrap_err();
            assert!(error.exit_code() == 2 && !error.message().contains("secret"), "{error}");
        }
    }
}
