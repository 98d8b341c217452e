//! Several people in a channel hear each other, and see it if one of them joins, leaves or mutes.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server};

const NAMES: [&str; 4] = ["Ada", "Bea", "Cem", "Dot"];

/// Far less energy than a second and a half of speech has.
pub(crate) const SILENCE: f64 = 1e-5;
/// The packets of a second and a half of audio.
pub(crate) const A_WHILE: u64 = 75;

pub(crate) async fn four_people_hear_each_other(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let mut tabs = Vec::new();
        for name in NAMES {
            let tab = browser.tab().await;
            tab.join(&server, name, "general").await;
            tabs.push(tab);
        }
        for (tab, name) in tabs.iter().zip(NAMES) {
            tab.shows(&NAMES).await;
            assert_eq!(tab.names_below("general").await, NAMES);
            hears_all_others(tab, name).await;
        }
        let [ada, bea, cem, dot] = <[Tab<'_>; 4]>::try_from(tabs).expect("four were opened");

        bea.click("mute").await;
        ada.sees("Bea", "muted", |bea| bea.muted == "true").await;
        cem.sees("Bea", "muted", |bea| bea.muted == "true").await;
        ada.next_packets("Bea", A_WHILE).await;
        let energy = ada.energy_from("Bea", A_WHILE).await;
        assert!(energy < SILENCE, "{energy} from a muted participant");
        assert!(ada.energy_from("Cem", A_WHILE).await > SILENCE);

        bea.click("leave").await;
        ada.shows(&["Ada", "Cem", "Dot"]).await;
        assert!(
            ada.link("Bea").await.is_none(),
            "a connection to a participant that left"
        );
        bea.says("channel-title", "Not in a channel").await;

        cem.crash().await;
        ada.shows(&["Ada", "Dot"]).await;
        dot.close().await;
        ada.shows(&["Ada"]).await;
    })
    .await;
}

/// Waits until sound comes in from each of the others, and then for more packets.
async fn hears_all_others(tab: &Tab<'_>, own: &str) {
    let others: Vec<_> = NAMES.into_iter().filter(|name| *name != own).collect();
    tab.hears(&others).await;
    for name in others {
        tab.next_packets(name, 10).await;
    }
}
