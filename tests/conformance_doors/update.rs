//! Writes what the server says into the cases.

use std::{fs, io, path::Path};

use serde::Serialize;
use serde_json::{
    Value,
    ser::{CompactFormatter, Formatter, PrettyFormatter},
};

use super::{case, rest, rust};

pub(crate) fn all(address: &str) {
    for path in case::files() {
        update(&path, address).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
}

fn update(path: &Path, address: &str) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let file: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let request = &file["request"];
    let (key, value) = if file.get("answer").is_some() {
        // The structs are printed, because they know the documented order of the keys.
        let mut answer =
            rust::answer(request, address)?.map_err(|status| format!("no answer: {status:?}"))?;
        for round in answer.data.iter_mut().flat_map(|data| &mut data.explanation).flat_map(|e| &mut e.search)
        {
            (round.elapsed_us, round.read_rows) = (0, 0);
        }
        ("answer", print(&answer))
    } else {
        let (status, body) = rest::post(address, &request.to_string())?;
        ("error", print(&rest::error(status, &body)?))
    };
    // What people wrote stays as they wrote it.
    let start = text.find(&format!("\n  \"{key}\":")).ok_or_else(|| format!("no line {key:?}"))?;
    let written = format!("{}\n  \"{key}\": {value}\n}}\n", &text[..start]);
    fs::write(path, written).map_err(|e| e.to_string())
}

fn print(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let lines = Lines { pretty: PrettyFormatter::new(), open: Vec::new(), within_item: 0 };
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, lines)).unwrap();
    // The text is a value of the file's outermost object, so its lines are indented once more.
    String::from_utf8(bytes).unwrap().replace('\n', "\n  ")
}

/// Prints JSON indented, but each object of a list on one line. So each span is a line, and a difference between
/// two spans is one line of a diff.
struct Lines {
    pretty: PrettyFormatter<'static>,
    /// Whether each open list or object is a list.
    open: Vec<bool>,
    /// How many of them are within an object of a list.
    within_item: usize,
}

/// Passes a call on to one of the two formatters.
macro_rules! either {
    ($self:ident . $call:ident($($argument:expr),*)) => {
        if $self.within_item > 0 { CompactFormatter.$call($($argument),*) } else { $self.pretty.$call($($argument),*) }
    };
}

impl Lines {
    fn opens(&mut self, list: bool) {
        let item = !list && self.open.last() == Some(&true);
        self.within_item += usize::from(item || self.within_item > 0);
        self.open.push(list);
    }

    fn closes(&mut self) {
        self.open.pop();
        self.within_item = self.within_item.saturating_sub(1);
    }
}

impl Formatter for Lines {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.opens(true);
        either!(self.begin_array(writer))
    }
    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        either!(self.end_array(writer))?;
        self.closes();
        Ok(())
    }
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        either!(self.begin_array_value(writer, first))
    }
    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        either!(self.end_array_value(writer))
    }
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.opens(false);
        either!(self.begin_object(writer))
    }
    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        either!(self.end_object(writer))?;
        self.closes();
        Ok(())
    }
    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        either!(self.begin_object_key(writer, first))
    }
    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        either!(self.begin_object_value(writer))
    }
    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        either!(self.end_object_value(writer))
    }
}
