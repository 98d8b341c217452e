//! The command line, and the environment variables that stand for flags.

use std::{
    env,
    error::Error as _,
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use clap::{
    Arg, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use united_voice_core::UserId;

use crate::{
    ClusterUrl, DatabaseUrl, NodeName, Relay, Secrets,
    config::shown,
    names::{self, NameError},
};

/// The flags whose values no error shows.
const SECRET: [&str; 2] = ["--database-url", "--cluster"];

/// The command line of a server.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    about = "Voice channels in the browser: signaling server, sign-in and web page",
    after_help = "The secrets UNITED_JWT_SECRET and UNITED_TURN_SHARED_SECRET of the environment \
                  win over the configuration."
)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[arg(skip)]
    dev_login_choice: DevLoginChoice,
    #[arg(skip)]
    data_dir_is_named: bool,
    #[arg(skip)]
    secrets: Secrets,
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
        value_parser = addresses
    )]
    bind: Addresses,

    /// Folder of united.toml, united.db and secrets.toml; created if it does not exist
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

    /// PostgreSQL database to use instead of the data folder's united.db:
    /// postgres://user:password@host:5432/database. Everybody on this machine can see a flag; the
    /// variable and [database] url are for passwords
    // `--help` shows the values of other variables.
    #[arg(
        long,
        global = true,
        env = "UNITED_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<DatabaseUrl>,

    /// Redis or Valkey that makes all servers started with it one:
    /// redis://user:password@host:6379/0. They share a database or a data folder too. The variable
    /// and [cluster] url are for passwords
    #[arg(
        long,
        global = true,
        env = "UNITED_CLUSTER",
        hide_env_values = true,
        value_name = "URL"
    )]
    cluster: Option<ClusterUrl>,

    /// This server's name in logs, 1 to 32 of A-Z a-z 0-9 . _ -; the machine's name without it
    #[arg(long, global = true, env = "UNITED_NODE_NAME", value_name = "NAME")]
    node_name: Option<NodeName>,

    /// Let anybody sign in by name alone; the default if only this machine can connect
    #[arg(long, global = true, env = "UNITED_DEV_LOGIN", value_parser = boolish)]
    dev_login: bool,

    /// Let nobody sign in by name alone
    #[arg(long, global = true, env = "UNITED_NO_DEV_LOGIN", value_parser = boolish)]
    no_dev_login: bool,

    /// Run a STUN and TURN server too, for trying out relayed calls; its address is [turn] host and
    /// port
    #[arg(long, global = true, env = "UNITED_EMBEDDED_TURN", value_parser = boolish)]
    embedded_turn: bool,
}

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the configuration with all its defaults and comments
    PrintConfig,
    /// Make the user if the id is new, and print a token for signing in
    Token {
        /// The user's id, 1 to 128 bytes
        #[arg(long, value_name = "ID")]
        user: UserId,
        /// The name that others see; for a new user the default is made from the id
        #[arg(long, value_parser = name)]
        name: Option<String>,
    },
}

/// What the flags say about signing in by name alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DevLoginChoice {
    /// Nothing: it is allowed if the server listens on a loopback address.
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
    /// The addresses to listen on: all that the name in `--bind` stands for.
    pub bind: Vec<SocketAddr>,
    /// The folder of all files that the server keeps.
    pub data_dir: PathBuf,
    /// Whether a flag or the environment names that folder.
    pub data_dir_is_named: bool,
    /// The configuration, if it is not the data folder's.
    pub config: Option<PathBuf>,
    /// The PostgreSQL database, if a flag or the environment names one.
    pub database_url: Option<DatabaseUrl>,
    /// The engine of the cluster, if a flag or the environment names one.
    pub cluster: Option<ClusterUrl>,
    /// The node's name, if a flag or the environment gives one.
    pub node_name: Option<NodeName>,
    /// The secrets of the environment.
    pub secrets: Secrets,
    /// Whether users may sign in by name alone.
    pub dev_login: DevLoginChoice,
    /// The relay that clients are told of.
    pub relay: Relay,
}

impl Cli {
    /// Reads a command line, which begins with the program's name, and the environment.
    ///
    /// # Errors
    ///
    /// [`clap::Error`] for a mistake, and for `--help` and `--version`. A wrong value is named in
    /// one line, with its flag or environment variable.
    pub fn parse_from<I>(program: &'static str, arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = OsString>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = Self::command()
            .name(program)
            .mut_args(without_empty_variable)
            .try_get_matches_from(&arguments)
            .map_err(|error| with_source(error, &arguments))?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.dev_login_choice = cli.choose_dev_login(&matches);
        cli.secrets = Secrets::from_environment(|name| env::var_os(name)).map_err(wrong_secret)?;
        cli.data_dir_is_named = matches.value_source("data_dir") != Some(ValueSource::DefaultValue);
        Ok(cli)
    }

    /// The flags, and the environment's values for flags that were not given.
    pub fn options(&self) -> Options {
        Options {
            bind: self.flags.bind.0.clone(),
            data_dir: self.flags.data_dir.clone(),
            data_dir_is_named: self.data_dir_is_named,
            config: self.flags.config.clone(),
            database_url: self.flags.database_url.clone(),
            cluster: self.flags.cluster.clone(),
            node_name: self.flags.node_name.clone(),
            secrets: self.secrets.clone(),
            dev_login: self.dev_login_choice,
            relay: if self.flags.embedded_turn {
                Relay::Embedded
            } else {
                Relay::External
            },
        }
    }

    /// A flag wins over the environment. If both flags come from the same place, the safer one
    /// wins.
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

/// Clap names the flag even if the wrong value came from the environment. This names the one that
/// the user has to change, in one line: `UNITED_BIND=nowhere: must be …`.
fn with_source(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let is_value = matches!(
        error.kind(),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
    );
    let (true, Some(argument), Some(value)) = (
        is_value,
        context(ContextKind::InvalidArg),
        context(ContextKind::InvalidValue).map(shown),
    ) else {
        return error;
    };
    // `--bind <ADDR>`
    let flag = argument.split(' ').next().unwrap_or(argument);
    let is_flag = |argument: &OsString| {
        let rest = argument.to_str().and_then(|text| text.strip_prefix(flag));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let variable = flag.trim_start_matches('-').replace('-', "_");
    let variable = format!("UNITED_{}", variable.to_ascii_uppercase());
    let is_variable = !arguments.iter().any(is_flag) && env::var_os(&variable).is_some();
    let source = match (is_variable, SECRET.contains(&flag)) {
        (true, true) => variable,
        (true, false) => format!("{variable}={value}"),
        (false, true) => flag.to_owned(),
        (false, false) => format!("{flag} {value}"),
    };
    let reason = error.source().map(ToString::to_string);
    let reason = reason.unwrap_or_else(|| "must not be empty".to_owned());
    clap::Error::raw(error.kind(), format!("{}: {reason}\n", source.trim_end()))
}

fn wrong_secret(variable: &str) -> clap::Error {
    let reason = "must be a text of at most 4096 bytes (the value is not shown)";
    let message = format!("{variable}: {reason}\n");
    clap::Error::raw(ErrorKind::ValueValidation, message)
}

/// A variable that is set to the empty text counts as absent: compose sets those so that have no
/// value.
fn without_empty_variable(flag: Arg) -> Arg {
    let value = flag.get_env().and_then(env::var_os);
    if value.is_some_and(|value| value.is_empty()) {
        flag.env(None::<&'static str>)
    } else {
        flag
    }
}

/// One or more addresses, which differ.
#[derive(Clone, Debug)]
struct Addresses(Vec<SocketAddr>);

/// Reads an address. A name may stand for the host, and for all its addresses: `localhost:8080`.
fn addresses(text: &str) -> Result<Addresses, String> {
    const ALLOWED: &str = "must be an IP address or a name, and a port, such as 127.0.0.1:8080";
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        return Err(ALLOWED.to_owned());
    }
    let found = text
        .to_socket_addrs()
        .map_err(|error| format!("{ALLOWED} ({error})"))?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(format!("{ALLOWED} (the name has no address)"));
    }
    Ok(Addresses(addresses))
}

/// Reads a name for others to see.
fn name(text: &str) -> Result<String, NameError> {
    names::checked(text, names::MAX_ADMINISTERED_NAME).map(ToOwned::to_owned)
}

/// Reads a switch from the environment.
fn boolish(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("must be 1, true, yes, on, 0, false, no or off".to_owned()),
    }
}

#[cfg(test)]
mod tests;
