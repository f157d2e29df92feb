//! `login` of a `[[peer]]`: who this node says to be there (user identity, PS3.7 D.3.3.7).

use super::peer::{Passcode, passcode};
use crate::dimse::negotiation::user_information::{
    JWT, KERBEROS, NAME, NAME_AND_PASSCODE, SAML, UserIdentity,
};
use gantry_terms::ae_title::AeTitle;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// A sub-item has room for 65,535 bytes together.
const LONGEST: usize = 32 << 10;

/// Who this node says to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    as_whom: AsWhom,
    /// Whether the peer has to confirm it: without that there is no association.
    confirmed: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum AsWhom {
    Name(String),
    NameAndPasscode(String, Passcode),
    /// Somebody renews the file: it is read for each association.
    Token {
        kind: Token,
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Token {
    Kerberos,
    Saml,
    Jwt,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenLogin {
    name: Option<String>,
    passcode_file: Option<PathBuf>,
    token: Option<Token>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    confirmed: bool,
}

impl Login {
    /// For an association that is asked for now; why there is none.
    pub fn identity(&self) -> Result<UserIdentity, String> {
        let (kind, primary, secondary) = match &self.as_whom {
            AsWhom::Name(name) => (NAME, name.clone().into_bytes(), Vec::new()),
            AsWhom::NameAndPasscode(name, passcode) => {
                (NAME_AND_PASSCODE, name.clone().into_bytes(), passcode.bytes().to_vec())
            }
            AsWhom::Token { kind, file } => (kind.number(), kind.read(file)?, Vec::new()),
        };
        Ok(UserIdentity { kind, asks_for_response: self.confirmed, primary, secondary })
    }

    /// Whether it would be a secret no more that crossed the network as it is.
    pub fn is_secret(&self) -> bool {
        !matches!(self.as_whom, AsWhom::Name(_))
    }
}

impl Token {
    fn number(self) -> u8 {
        match self {
            Self::Kerberos => KERBEROS,
            Self::Saml => SAML,
            Self::Jwt => JWT,
        }
    }

    fn read(self, file: &Path) -> Result<Vec<u8>, String> {
        let shown = file.display();
        let mut token = fs::read(file).map_err(|why| format!("cannot read {shown}: {why}"))?;
        // Whoever writes text ends it with a line; a ticket of Kerberos is no text.
        if self != Self::Kerberos {
            token.truncate(token.trim_ascii_end().len());
        }
        match token.len() {
            0 => Err(format!("{shown} is empty")),
            1..=LONGEST => Ok(token),
            _ => Err(format!("{shown} is longer than {LONGEST} bytes")),
        }
    }
}

impl WrittenLogin {
    /// Files are relative to `base`.
    pub(super) fn mean(
        self,
        base: &Path,
        peer: &AeTitle,
        problems: &mut Vec<String>,
    ) -> Option<Login> {
        let as_whom = match (self.name, self.passcode_file, self.token, self.token_file) {
            (Some(name), None, None, None) if is_name(&name) => AsWhom::Name(name),
            (Some(name), Some(file), None, None) if is_name(&name) => {
                let passcode = passcode(&base.join(file), "login", peer, problems);
                AsWhom::NameAndPasscode(name, passcode)
            }
            (None, None, Some(kind), Some(file)) => AsWhom::Token { kind, file: base.join(file) },
            _ => {
                problems.push(format!(
                    "login of peer {peer}: write name, name and passcode-file, or token and token-file"
                ));
                return None;
            }
        };
        Some(Login { as_whom, confirmed: self.confirmed })
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use gantry_terms::ae_title::AeTitle;
    use std::fs;
    use tempfile::TempDir;

    fn read(folder: &TempDir, login: &str) -> Result<Config, String> {
        let text = format!(
            "[node]\nae-title = \"G\"\n[[peer]]\nae-title = \"PACS\"\naddress = \"h:1\"\nlogin = {login}\n"
        );
        Config::parse(&text, &folder.path().join("node.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_login_is_a_name_or_a_token_and_no_secret_of_it_can_be_printed() {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("secret"), "open sesame\n").expect("written");
        let title = AeTitle::parse("PACS").expect("a title");
        let identity = |login: &str| {
            let config = read(&folder, login).expect("good");
            let login = config.peers[&title].login.clone().expect("a login");
            let identity = login.identity().expect("all is there");
            for printed in [format!("{config:?}"), format!("{identity:?}")] {
                assert!(!printed.contains("sesame"), "{printed}");
            }
            (identity.kind, identity.asks_for_response, identity.primary, identity.secondary)
        };
        let secret = b"open sesame".to_vec();
        let named = identity("{ name = \"gantry\", passcode-file = \"secret\", confirmed = true }");
        assert_eq!(named, (2, true, b"gantry".to_vec(), secret.clone()));
        assert_eq!(identity("{ name = \"g\" }"), (1, false, b"g".to_vec(), Vec::new()));
        let token = "{ token = \"jwt\", token-file = \"secret\" }";
        assert_eq!(identity(token), (5, false, secret, Vec::new()));
        let config = read(&folder, token).expect("good");
        let login = config.peers[&title].login.as_ref().expect("a login");
        fs::write(folder.path().join("secret"), "renewed\n").expect("written");
        assert_eq!(login.identity().expect("all is there").primary, b"renewed");
        fs::remove_file(folder.path().join("secret")).expect("removed");
        assert!(login.identity().expect_err("it is gone").contains("cannot read"));
    }

    #[test]
    fn a_login_that_is_half_written_or_cannot_be_read_is_refused() {
        let folder = TempDir::new().expect("a folder");
        for (login, part) in [
            ("{}", "write name, name and passcode-file, or token"),
            ("{ name = \"g\", token = \"jwt\" }", "write name"),
            ("{ name = \"g\", passcode-file = \"nowhere\" }", "login of peer PACS: cannot read"),
            ("{ nam = \"g\" }", "did you mean `name`"),
        ] {
            let said = read(&folder, login).expect_err("refused");
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    }
}
