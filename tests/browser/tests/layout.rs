//! The page fits the screen of a desk and of a phone. The test saves pictures in the target
//! directory, for people to look at.

use std::{fs, path::Path};

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server};

const NAMES: [&str; 4] = ["Ada", "Bea", "Cem", "Dot"];
/// The widths of the screens in CSS pixels.
const DESK: f64 = 1280.0;
const PHONE: f64 = 390.0;
const CONTROLS: [&str; 4] = ["mute", "deafen", "settings", "leave"];

pub(crate) async fn everything_fits_a_desk_and_a_phone(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let alone = browser.tab().await;
        alone.join(&server, NAMES[0], "general").await;
        alone.shows(&NAMES[..1]).await;
        fits(&alone, "alone", DESK).await;

        let phone = browser.tab().await;
        phone.become_phone().await;
        phone.open(&server.url("/")).await;
        phone.says("sign-in", "Continue").await;
        picture(&phone, "phone-sign-in").await;
        phone.join(&server, NAMES[3], "general").await;
        let others = [browser.tab().await, browser.tab().await];
        for (tab, name) in others.iter().zip(&NAMES[1..3]) {
            tab.join(&server, name, "general").await;
        }
        for tab in [&alone, &phone] {
            tab.shows(&NAMES).await;
            for name in NAMES {
                tab.sees(name, "connected", |person| person.state == "connected")
                    .await;
            }
        }
        fits(&alone, "four", DESK).await;
        fits(&phone, "phone", PHONE).await;
    })
    .await;
}

/// Nothing is wider than the screen, and the controls are on it. The width is given, because a
/// phone makes its window as wide as the content.
async fn fits(tab: &Tab<'_>, name: &str, width: f64) {
    picture(tab, name).await;
    let content: f64 = tab
        .evaluate("return document.documentElement.scrollWidth", Vec::new())
        .await;
    assert!(content <= width, "{name}: {content} on {width}");
    for control in CONTROLS {
        assert!(is_on_screen(tab, control, width).await, "{name}: {control}");
    }
}

async fn is_on_screen(tab: &Tab<'_>, test_id: &str, width: f64) -> bool {
    let within = "const [testId, screen] = arguments;
        const control = document.querySelector(`[data-testid='${testId}']`);
        const { left, top, right, bottom, width } = control.getBoundingClientRect();
        return width > 0 && left >= 0 && top >= 0 && right <= screen && bottom <= innerHeight";
    tab.evaluate(within, vec![test_id.into(), width.into()])
        .await
}

/// Saves a picture of a tab for people to look at.
pub(crate) async fn picture(tab: &Tab<'_>, name: &str) {
    let picture = tab.screenshot().await;
    assert!(picture.starts_with(b"\x89PNG"), "a picture is a PNG");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}.png"));
    fs::write(path, picture).expect("the target directory is writable");
}
