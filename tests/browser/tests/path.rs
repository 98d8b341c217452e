//! A proxy may serve the page under a path.
//! The page is the same on every server, so one server is enough here.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    process::Command,
};

use tempfile::TempDir;
use tokio::net::TcpStream;
use united_voice_browser::{Browser, Microphones, ServerKind, server};
use united_voice_scenarios::eventually;
use united_voice_turn_tests::{Program, free_port, needs};

#[tokio::test]
async fn the_page_works_under_a_path() {
    let server = server(ServerKind::Axum).await;
    let home = TempDir::new().expect("a temporary directory can be made");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port(IpAddr::from([127, 0, 0, 1]))));
    let conf = conf(address, server.address());
    fs::write(home.path().join("nginx.conf"), conf).expect("the directory is writable");
    let mut command = Command::new(needs("nginx", "nginx-light"));
    command
        .arg("-p")
        .arg(home.path())
        .args(["-c", "nginx.conf", "-e", "error.log"]);
    let _nginx = Program::start("nginx", command, home.path());
    eventually("nginx to listen", async || {
        TcpStream::connect(address).await.ok()
    })
    .await;

    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        for (tab, name) in [(&ada, "Ada"), (&bea, "Bea")] {
            let page = format!("http://{address}/voice/?name={name}&channel=general");
            tab.open(&page).await;
        }
        ada.hears(&["Bea"]).await;
        bea.hears(&["Ada"]).await;
        let address: String = ada
            .evaluate("return location.pathname + location.search", Vec::new())
            .await;
        assert_eq!(address, "/voice/?channel=general");
    })
    .await;
}

/// nginx as one process, so killing it ends all of it. All else than the path is not there.
fn conf(address: SocketAddr, server: SocketAddr) -> String {
    format!(
        "daemon off;
        master_process off;
        pid pid;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            server {{
                listen {address};
                location /voice/ {{
                    proxy_pass http://{server}/;
                    proxy_http_version 1.1;
                    proxy_set_header Host $host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}"
    )
}
