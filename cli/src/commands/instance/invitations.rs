//! `sealwax instance invite` and `sealwax instance invitations`

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use sealwax_authority::Invitation;

use crate::error::Error;
use crate::instance::Instance;
use crate::terminal::Tone;
use crate::world::World;

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Who is invited
    #[arg(value_name = "EMAIL")]
    email: String,

    /// How long the invitation can be redeemed, such as `90m`, `12h` or `7d`
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    expires: SignedDuration,

    /// Where the instance is served [default: as serve.toml says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Invitations {
    /// Withdraw the invitation of this id
    #[arg(long, value_name = "ID")]
    revoke: Option<String>,
}

/// Prints the one line that the guest needs: where to redeem the invitation, and its secret, which nobody else knows.
pub(crate) fn invite(options: &Invite, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let ledger = instance.ledger()?;
    let url = match &options.url {
        Some(url) => url.clone(),
        None => instance.settings(None)?.public_url(),
    };
    // As the ledger keeps it.
    let now = Timestamp::from_second(world.now().as_second()).unwrap_or(Timestamp::MAX);
    let (secret, invitation) = Invitation::new(&options.email, now, options.expires)
        .map_err(|error| Error::Usage(format!("{:?}: {error}", options.email)))?;
    ledger.invite(&invitation)?;
    let line = format!("{}#{}", url.trim_end_matches('/'), secret.as_str());
    let terminal = world.terminal;
    let what = format!("{}, once, until {}", invitation.email, invitation.expires);
    terminal.say(Tone::Plain, "invited ", &what);
    terminal.say(Tone::Plain, "hint:", "give this line to nobody else; whoever has it signs under that name");
    terminal.result(Tone::Plain, "invitation", &line)?;
    terminal.json(&json!({
        "invitation": line,
        "email": invitation.email,
        "expires": invitation.expires.to_string(),
        "id": id(&invitation),
    }))
}

pub(crate) fn invitations(options: &Invitations, world: &World) -> Result<(), Error> {
    let instance = Instance::open(&world.instance_dir()?)?;
    let ledger = instance.ledger()?;
    let all = ledger.invitations()?;
    let terminal = world.terminal;
    if let Some(wanted) = &options.revoke {
        let found = all.iter().find(|(invitation, _)| id(invitation) == *wanted);
        let revoked = found.map(|(invitation, _)| ledger.revoke(&invitation.secret_hash)).transpose()?;
        if revoked != Some(true) {
            return Err(Error::Usage(format!("{wanted:?}: no invitation of that id waits to be redeemed")));
        }
        terminal.result(Tone::Good, "withdrawn", wanted)?;
        return terminal.json(&json!({"withdrawn": wanted}));
    }
    let now = world.now();
    let state = |invitation: &Invitation, redeemed: Option<Timestamp>| match redeemed {
        Some(time) => format!("redeemed {time}"),
        None if invitation.expires <= now => format!("expired {}", invitation.expires),
        None => format!("open until {}", invitation.expires),
    };
    for (invitation, redeemed) in &all {
        let what = format!("{}, {}", invitation.email, state(invitation, *redeemed));
        terminal.result(Tone::Plain, &id(invitation), &what)?;
    }
    if all.is_empty() {
        terminal.say(Tone::Plain, "none    ", "nobody was invited");
    }
    let rows = all.iter().map(|(invitation, redeemed)| {
        json!({
            "id": id(invitation),
            "email": invitation.email,
            "expires": invitation.expires.to_string(),
            "redeemed": redeemed.map(|time| time.to_string()),
        })
    });
    terminal.json(&json!({"invitations": rows.collect::<Vec<Value>>()}))
}

/// Names an invitation without giving it away.
fn id(invitation: &Invitation) -> String {
    let hash = hex::encode(invitation.secret_hash);
    hash.get(..12).unwrap_or(&hash).to_owned()
}

/// Reads a whole number of minutes, hours or days.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let seconds = |unit| match unit {
        'm' => Some(60_i64),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let read = || {
        let unit = text.chars().next_back()?;
        let number: u32 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number > 0)?;
        seconds(unit)?.checked_mul(i64::from(number)).map(SignedDuration::from_secs)
    };
    read().ok_or_else(|| "a time such as 90m, 12h or 7d".to_owned())
}
