// The echo server on tokio's current_thread runtime: one task and one buffer per connection.
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{signal, SignalKind};

async fn echo(mut peer: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0u8; 4096];
    peer.set_nodelay(true)?;
    loop {
        let got = peer.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
        }
        peer.write_all(&buffer[..got]).await?;
    }
}

async fn serve(address: String) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (peer, _) = listener.accept().await?;
        tokio::spawn(echo(peer));
    }
}

// Ends the program, as the other servers do, with code 0.
async fn stop_on(kind: SignalKind) -> io::Result<()> {
    signal(kind)?.recv().await;
    std::process::exit(0)
}

async fn run(address: String) -> io::Result<()> {
    tokio::spawn(stop_on(SignalKind::interrupt()));
    tokio::spawn(stop_on(SignalKind::terminate()));
    serve(address).await
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(address))
}
