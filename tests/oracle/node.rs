//! Nodes and links: section 5, and what a link says of clocks (R-CLK-1, -2).

use std::collections::HashMap;

use trace_completion::{
    engine::Resource,
    flow::{Side, Text, Texts},
};

use super::{clock::Clock, flow::Flow};

/// R-NODE-1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    App,
    Sys,
    Net,
    Other,
}

/// R-NODE-3: a number never equals a string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Number(number) => write!(f, "{number}"),
            Key::Text(text) => write!(f, "{text}"),
        }
    }
}

/// A flow while the tree is being built.
#[derive(Clone, Debug)]
pub struct Node {
    pub flow: Flow,
    pub class: Class,
    pub tap: String,
    pub parent_span_id_text: String,
    /// R-NODE-2.
    pub side: usize,
    pub instance: Key,
    pub process: i64,
    pub uid: i64,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    pub child_count: i64,
    /// The process set last added to, by its number.
    pub process_set: Option<usize>,
    /// Its network set, by its number.
    pub network_set: Option<usize>,
    /// R-SVC, R-NET-4.
    pub resource: Resource,
}

impl Node {
    fn new(flow: Flow, texts: &Texts) -> Self {
        let class = match flow.row.key.signal_source.0 {
            0 => Class::Net,
            3 => Class::Sys,
            4 => Class::App,
            _ => Class::Other,
        };
        let tap = texts.get(flow.row.key.tap_side).to_owned();
        let instance = instance(&flow, &tap, texts);
        let process = match tap.as_str() {
            "s-p" => i64::from(flow.row.sides[1].process_id),
            "c-p" => i64::from(flow.row.sides[0].process_id),
            _ => 0,
        };
        Node {
            class,
            side: usize::from(!tap.starts_with('c')),
            uid: (i64::from(flow.row.key.agent.0) << 32) | process,
            tap,
            parent_span_id_text: texts.get(flow.row.key.parent_span_id).to_owned(),
            instance,
            process,
            flow,
            parent: None,
            children: Vec::new(),
            child_count: 0,
            process_set: None,
            network_set: None,
            resource: Resource::default(),
        }
    }

    pub fn start(&self) -> i64 {
        self.flow.row.key.start_us
    }

    pub fn end(&self) -> i64 {
        self.flow.row.key.end_us
    }

    pub fn duration(&self) -> i64 {
        self.flow.row.duration_us
    }

    pub fn agent(&self) -> u16 {
        self.flow.row.key.agent.0
    }

    pub fn own_side(&self) -> &Side {
        &self.flow.row.sides[self.side]
    }

    pub fn instance_type(&self) -> u8 {
        self.own_side().auto_instance_type
    }

    pub fn instance_name(&self) -> Text {
        self.own_side().auto_instance
    }

    /// R-NODE-5.
    pub fn same_process(&self, other: &Node) -> bool {
        self.agent() == other.agent()
            && (self.process == other.process && self.process != 0
                || self.instance_type() == 10
                    && other.instance_type() == 10
                    && self.instance == other.instance
                    && self.instance != Key::Number(0))
    }

    /// R-NODE-6.
    pub fn covers(&self, other: &Node) -> bool {
        self.start() <= other.start() && self.end() >= other.end()
    }

    /// R-NODE-6, response may be lost.
    pub fn covers_or_lost(&self, other: &Node) -> bool {
        self.covers(other) || self.start() <= other.start() && self.duration() == 0
    }
}

/// R-NODE-3.
fn instance(flow: &Flow, tap: &str, texts: &Texts) -> Key {
    let [client, server] = &flow.row.sides;
    let number = |id: u32| Key::Number(i64::from(id));
    let text = |name: Text| Key::Text(texts.get(name).to_owned());
    let sides: &[&Side] = match tap {
        "s-p" => return number(server.auto_instance_id),
        "c-p" => return number(client.auto_instance_id),
        "s-app" => &[server],
        "c-app" => &[client],
        "app" => &[server, client],
        _ => return Key::Text(String::new()),
    };
    for side in sides {
        if side.auto_instance_id != 0 {
            return number(side.auto_instance_id);
        }
        if !side.auto_instance.is_empty() {
            return text(side.auto_instance);
        }
    }
    text(flow.row.app_instance)
}

/// All nodes and what their links say of clocks.
pub struct Graph {
    pub nodes: Vec<Node>,
    pub clock: Clock,
}

impl Graph {
    pub fn new(flows: Vec<Flow>, texts: &Texts) -> Self {
        let nodes = flows.into_iter().map(|flow| Node::new(flow, texts)).collect();
        Graph { nodes, clock: Clock::default() }
    }

    /// Nodes that fit, in index order.
    pub fn indexes(&self, fits: impl Fn(&Node) -> bool) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&index| fits(&self.nodes[index])).collect()
    }

    pub fn server_sys(&self) -> Vec<usize> {
        self.indexes(|node| node.class == Class::Sys && node.tap == "s-p")
    }

    pub fn client_sys(&self) -> Vec<usize> {
        self.indexes(|node| node.class == Class::Sys && node.tap != "s-p")
    }

    /// R-LINK.
    pub fn link(&mut self, child: usize, parent: usize) {
        self.observe(child, parent);
        self.nodes[child].parent = Some(parent);
        self.nodes[parent].child_count += 1;
        self.nodes[parent].children.push(child);
    }

    /// R-CLK-1, R-CLK-2.
    fn observe(&mut self, child: usize, parent: usize) {
        let (c, p) = (&self.nodes[child], &self.nodes[parent]);
        if c.agent() == p.agent() {
            return;
        }
        let mut a = p.start().saturating_sub(c.start());
        let mut b = p.end().saturating_sub(c.end());
        if (c.class == Class::App) != (p.class == Class::App) {
            if c.tap == "app" || p.tap == "app" {
                return;
            }
            let nameless = [Key::Text(String::new()), Key::Text("0".to_owned())];
            if !nameless.contains(&p.instance) && p.instance == c.instance {
                return;
            }
            // Whole milliseconds, towards zero.
            (a, b) = (a / 1000 * 1000, b / 1000 * 1000);
        }
        let (parent, child) = (p.agent(), c.agent());
        self.clock.observe(parent, child, a, b);
    }

    /// R-NODE-7.
    pub fn instance_agents(&self) -> HashMap<Text, u16> {
        let mut map = HashMap::new();
        for node in &self.nodes {
            let captured = matches!(node.class, Class::Sys | Class::Net);
            if captured && node.instance != Key::Text(String::new()) {
                map.insert(node.instance_name(), node.agent());
            }
        }
        map
    }
}
