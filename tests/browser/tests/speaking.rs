//! The ring of a speaker, push-to-talk, and deafening.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server, until};

const SILENCE: f64 = 1e-5;
/// The packets of a second and a half of audio.
const A_WHILE: u64 = 75;

pub(crate) async fn a_speaker_has_a_ring_and_push_to_talk_gates_it(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        // If the focus goes away, the page takes the key as released.
        ada.keep_focus().await;
        ada.join(&server, "Ada", "general").await;
        bea.join(&server, "Bea", "general").await;
        bea.sees("Ada", "speaking", |ada| ada.speaking == "true")
            .await;
        ada.sees("Bea", "speaking", |bea| bea.speaking == "true")
            .await;

        choose_push_to_talk(&ada).await;
        bea.sees("Ada", "silent", |ada| ada.speaking == "false")
            .await;
        bea.next_packets("Ada", A_WHILE).await;
        let energy = bea.energy_from("Ada", A_WHILE).await;
        assert!(energy < SILENCE, "{energy} while no key is held");

        ada.hold_key('v').await;
        bea.sees("Ada", "speaking", |ada| ada.speaking == "true")
            .await;
        bea.next_packets("Ada", A_WHILE).await;
        let energy = bea.energy_from("Ada", A_WHILE).await;
        assert!(energy > SILENCE, "{energy} while the key is held");
        ada.release_keys().await;
        bea.sees("Ada", "silent", |ada| ada.speaking == "false")
            .await;
    })
    .await;
}

pub(crate) async fn a_deafened_user_hears_nothing(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        bea.prepare(REMEMBER_PLAYERS).await;
        ada.join(&server, "Ada", "general").await;
        bea.join(&server, "Bea", "general").await;
        bea.hears(&["Ada"]).await;
        plays(&bea, true).await;

        bea.click("deafen").await;
        plays(&bea, false).await;
        ada.sees("Bea", "deafened", |bea| bea.deafened == "true")
            .await;
        ada.sees("Bea", "silent", |bea| bea.speaking == "false")
            .await;

        bea.click("deafen").await;
        plays(&bea, true).await;
        ada.sees("Bea", "back", |bea| {
            bea.deafened == "false" && bea.muted == "false"
        })
        .await;
        ada.sees("Bea", "speaking", |bea| bea.speaking == "true")
            .await;
    })
    .await;
}

/// The elements that play audio are in no document, so the script remembers each one that begins to
/// play.
const REMEMBER_PLAYERS: &str = "window.players = new Set();
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () { players.add(this); return play.call(this); };";

/// Waits until some element is audible, or until none is.
async fn plays(tab: &Tab<'_>, expected: bool) {
    let audible = "return [...players].some(player => player.srcObject && !player.paused && !player.muted && player.volume > 0)";
    until(&format!("audible to be {expected}"), async || {
        let found: bool = tab.evaluate(audible, Vec::new()).await;
        if found == expected {
            Ok(())
        } else {
            Err("it is not")
        }
    })
    .await;
}

async fn choose_push_to_talk(tab: &Tab<'_>) {
    tab.click("settings").await;
    tab.click("mode-push").await;
    let close = "document.getElementById('settings').close(); document.activeElement?.blur()";
    let () = tab.evaluate(close, Vec::new()).await;
}
