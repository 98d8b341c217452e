//! The command line, and what the environment says in its place.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use clap::{
    ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    parser::ValueSource,
};
use united_voice_core::UserId;

use crate::Relay;

/// The command line of a server.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    about = "Voice channels in the browser: signaling server, sign-in and web page"
)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[arg(skip)]
    dev_login_choice: DevLoginChoice,
}

/// Flags that stand before or after a subcommand.
#[derive(Clone, Debug, Args)]
struct Flags {
    /// Address to listen on; port 0 picks a free one
    #[arg(
        long,
        global = true,
        env = "UNITED_BIND",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        value_parser = address
    )]
    bind: SocketAddr,

    /// Folder of united.toml, united.db and secrets.toml; created if it isn't there
    #[arg(
        long,
        global = true,
        env = "UNITED_DATA_DIR",
        value_name = "DIR",
        default_value = "united-data"
    )]
    data_dir: PathBuf,

    /// Configuration to use instead of the data folder's united.toml
    #[arg(long, global = true, env = "UNITED_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Let anybody sign in by name alone; the default where only this machine can connect
    #[arg(long, global = true, env = "UNITED_DEV_LOGIN", value_parser = boolish)]
    dev_login: bool,

    /// Don't let anybody sign in by name alone
    #[arg(long, global = true, env = "UNITED_NO_DEV_LOGIN", value_parser = boolish)]
    no_dev_login: bool,

    /// Run a STUN and TURN server as well, for trying relayed calls out; [turn] host and port say where
    #[arg(long, global = true, env = "UNITED_EMBEDDED_TURN", value_parser = boolish)]
    embedded_turn: bool,
}

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the configuration with all its defaults and comments
    PrintConfig,
    /// Make a user if there is none of that id, and print a token for signing in
    Token {
        /// The user's id, 1 to 128 bytes
        #[arg(long, value_name = "ID")]
        user: UserId,
        /// The name that others see; a new user without one goes by the id
        #[arg(long)]
        name: Option<String>,
    },
}

/// Whether signing in by name alone was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DevLoginChoice {
    /// Not said: allowed where the server listens on a loopback address.
    #[default]
    Unsaid,
    /// Allowed.
    Allow,
    /// Not allowed.
    Refuse,
}

/// Where to listen and what to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The folder of everything that is kept.
    pub data_dir: PathBuf,
    /// The configuration, where it isn't the data folder's.
    pub config: Option<PathBuf>,
    /// Whether users may sign in by name alone.
    pub dev_login: DevLoginChoice,
    /// Whose relay clients are told of.
    pub relay: Relay,
}

impl Cli {
    /// Reads a command line, the program's name first, and the environment.
    ///
    /// # Errors
    ///
    /// [`clap::Error`] for a mistake, and for `--help` and `--version`.
    pub fn parse_from<I>(program: &'static str, arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = std::ffi::OsString>,
    {
        let matches = Self::command()
            .name(program)
            .try_get_matches_from(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.dev_login_choice = cli.choose_dev_login(&matches);
        Ok(cli)
    }

    /// The flags, with the environment's word where none was given.
    pub fn options(&self) -> Options {
        Options {
            bind: self.flags.bind,
            data_dir: self.flags.data_dir.clone(),
            config: self.flags.config.clone(),
            dev_login: self.dev_login_choice,
            relay: if self.flags.embedded_turn {
                Relay::Embedded
            } else {
                Relay::External
            },
        }
    }

    /// A flag beats the environment, and the safer of two words from the same place wins.
    fn choose_dev_login(&self, matches: &ArgMatches) -> DevLoginChoice {
        let said_by = |source| {
            let said = |id, value: bool| value && matches.value_source(id) == Some(source);
            if said("no_dev_login", self.flags.no_dev_login) {
                Some(DevLoginChoice::Refuse)
            } else {
                said("dev_login", self.flags.dev_login).then_some(DevLoginChoice::Allow)
            }
        };
        said_by(ValueSource::CommandLine)
            .or_else(|| said_by(ValueSource::EnvVariable))
            .unwrap_or_default()
    }
}

/// Reads an address, in which a name may stand for the host: `localhost:8080`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses
        .next()
        .ok_or_else(|| "the name has no address".to_owned())
}

/// Reads a switch from the environment, where a variable that is set to nothing means the same as none.
fn boolish(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected 1, true, yes, on, 0, false, no or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::parse_from("server", line.split(' ').map(Into::into))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_serves_this_machine() {
        let cli = parse("server").unwrap();
        let expected = Options {
            bind: "127.0.0.1:8080".parse().unwrap(),
            data_dir: "united-data".into(),
            config: None,
            dev_login: DevLoginChoice::Unsaid,
            relay: Relay::External,
        };
        assert_eq!((cli.options(), cli.command), (expected, None));
    }

    #[test]
    fn flags_stand_before_and_after_a_subcommand() {
        for line in [
            "server --bind [::1]:0 --data-dir d --config c --no-dev-login --embedded-turn token --user u --name N",
            "server token --bind [::1]:0 --embedded-turn --user u --data-dir d --name N --config c --no-dev-login",
        ] {
            let cli = parse(line).unwrap();
            let expected = Options {
                bind: "[::1]:0".parse().unwrap(),
                data_dir: "d".into(),
                config: Some("c".into()),
                dev_login: DevLoginChoice::Refuse,
                relay: Relay::Embedded,
            };
            assert_eq!(cli.options(), expected, "{line}");
            let user = UserId::new("u").unwrap();
            assert_eq!(
                cli.command,
                Some(Command::Token {
                    user,
                    name: Some("N".to_owned())
                }),
                "{line}"
            );
        }
    }

    #[test]
    fn of_two_words_on_sign_in_the_safer_counts() {
        let choice = |line| parse(line).unwrap().options().dev_login;
        assert_eq!(choice("server --dev-login"), DevLoginChoice::Allow);
        assert_eq!(
            choice("server --dev-login --no-dev-login"),
            DevLoginChoice::Refuse
        );
        assert_eq!(
            choice("server --no-dev-login --dev-login"),
            DevLoginChoice::Refuse
        );
        assert_eq!(
            choice("server print-config --dev-login"),
            DevLoginChoice::Allow
        );
    }

    #[test]
    fn an_address_may_be_a_name() {
        let bind = parse("server --bind localhost:8081")
            .unwrap()
            .options()
            .bind;
        assert!(bind.ip().is_loopback() && bind.port() == 8081, "{bind}");
    }

    #[test]
    fn mistakes_are_refused() {
        for line in [
            "server --bind nowhere",
            "server token",
            "server --colour",
            "server token --user ",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let long = format!("server token --user {}", "u".repeat(129));
        assert!(parse(&long).is_err());
    }

    #[test]
    fn switches_in_the_environment() {
        assert_eq!(
            ["1", "TRUE", "yes", "", "0", "off"].map(|text| boolish(text).unwrap()),
            [true, true, true, false, false, false]
        );
        assert!(boolish("disabled").is_err());
    }
}
