//! A LAN of network namespaces on a bridge, on one machine.

use std::net::Ipv4Addr;
use std::process::Command;

/// Namespaces that go when this is dropped, with all that is in them.
pub struct Lan {
    tag: String,
    names: Vec<String>,
}

impl Lan {
    /// `nodes` namespaces, each with one leg on a bridge in a namespace of its own. `tag` tells
    /// the LANs of one process apart.
    ///
    /// # Errors
    /// What `ip` says where it may not, or is not there.
    pub fn new(tag: &str, nodes: u8) -> Result<Lan, String> {
        let mut lan = Lan { tag: tag.to_owned(), names: Vec::new() };
        let hub = lan.add("hub".into())?;
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        for number in 0..nodes {
            let node = lan.add(number.to_string())?;
            let port = format!("port{number}");
            let address = format!("{}/24", address(number));
            ip(&[
                "link", "add", "eth0", "netns", &node, "type", "veth", "peer", "name", &port,
                "netns", &hub,
            ])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
            ip(&["-n", &node, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &node, "link", "set", "eth0", "up"])?;
            ip(&["-n", &node, "link", "set", "lo", "up"])?;
        }
        Ok(lan)
    }

    fn add(&mut self, name: String) -> Result<String, String> {
        let name = format!("campanile-{}{}-{name}", std::process::id(), self.tag);
        ip(&["netns", "add", &name])?;
        self.names.push(name.clone());
        Ok(name)
    }

    /// Takes the link of node `number` down, or brings it back.
    pub fn link(&self, number: u8, up: bool) {
        let state = if up { "up" } else { "down" };
        ip(&["-n", self.node(number), "link", "set", "eth0", state]).unwrap();
    }

    /// The namespace of node `number`.
    pub fn node(&self, number: u8) -> &str {
        &self.names[1 + number as usize]
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let run = Command::new("ip").args(arguments).output().map_err(|e| format!("ip: {e}"))?;
    if run.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&run.stderr);
        Err(format!("ip {}: {}", arguments.join(" "), said.trim()))
    }
}

/// The address of node `number`.
pub const fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 45, 0, number + 1)
}
