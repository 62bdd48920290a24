//! The paper that charts are drawn on.

use std::fmt::Write;

use super::scale::Scale;

/// The size of a drawing and its margins, in the units of its letters: pixels at full size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paper {
    pub(super) width: f64,
    pub(super) height: f64,
    /// For whom, as a class of the style sheet.
    class: &'static str,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Most marks along each axis.
    pub(super) across: usize,
    pub(super) up: usize,
}

impl Paper {
    /// As wide as the page.
    pub(super) const DESK: Self = Self::new("desk", 1060.0, 340.0, 9);
    /// Half as wide as the page.
    pub(super) const HALF: Self = Self::new("desk", 520.0, 330.0, 6);
    /// As wide as a phone.
    pub(super) const PHONE: Self = Self::new("phone", 360.0, 290.0, 4);

    const fn new(class: &'static str, width: f64, height: f64, across: usize) -> Self {
        let (left, right, top, bottom) = (62.0, 12.0, 18.0, 34.0);
        Self { width, height, class, left, right, top, bottom, across, up: 9 }
    }

    /// The place of a share of the width.
    pub(super) fn x(&self, share: f64) -> f64 {
        self.left + share * (self.width - self.left - self.right)
    }

    /// The place of a share of the height, from below.
    pub(super) fn y(&self, share: f64) -> f64 {
        self.height - self.bottom - share * (self.height - self.top - self.bottom)
    }

    pub(super) fn top(&self) -> f64 {
        self.top
    }
}

/// A drawing that grows.
pub(super) struct Drawing {
    pub(super) paper: Paper,
    text: String,
}

impl Drawing {
    /// An empty one; `title` and `description` are for who cannot see it, `id` is unique.
    pub(super) fn new(paper: Paper, id: &str, title: &str, description: &str) -> Self {
        let Paper { width, height, class, .. } = paper;
        let (title, description) = (escape(title), escape(description));
        let text = format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-{class}-t {id}-{class}-d\">\
             <title id=\"{id}-{class}-t\">{title}</title>\
             <desc id=\"{id}-{class}-d\">{description}</desc>"
        );
        Self { paper, text }
    }

    pub(super) fn axes(&mut self, across: &dyn Scale, up: &dyn Scale, name: &str) {
        let paper = self.paper;
        let (left, right, bottom) = (paper.x(0.0), paper.x(1.0), paper.y(0.0));
        for (value, label) in up.ticks(paper.up) {
            let y = paper.y(up.place(value));
            let class = if value == 0.0 { "grid zero" } else { "grid" };
            self.line(class, (left, y), (right, y));
            self.label("end", (left - 6.0, y + 4.0), &label);
        }
        for (value, label) in across.ticks(paper.across) {
            let x = paper.x(across.place(value));
            self.line("grid", (x, paper.top()), (x, bottom));
            self.label("middle", (x, bottom + 15.0), &label);
        }
        self.label("end", (right, paper.height - 3.0), name);
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = write!(
            self.text,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub(super) fn label(&mut self, anchor: &str, at: (f64, f64), text: &str) {
        let (x, y, text) = (at.0, at.1, escape(text));
        let _ = write!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// A line through `places`; a single one becomes a dot.
    pub(super) fn curve(&mut self, class: &str, places: &[(f64, f64)]) {
        match places {
            [] => {}
            [(x, y)] => {
                let _ = write!(
                    self.text,
                    "<circle class=\"{class} dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
                );
            }
            _ => {
                let places = list(places.iter().copied());
                let _ = write!(self.text, "<polyline class=\"{class}\" points=\"{places}\"/>");
            }
        }
    }

    /// What lies between two lines.
    pub(super) fn band(&mut self, class: &str, low: &[(f64, f64)], high: &[(f64, f64)]) {
        if low.len() > 1 {
            let places = list(low.iter().chain(high.iter().rev()).copied());
            let _ = write!(self.text, "<polygon class=\"{class}\" points=\"{places}\"/>");
        }
    }

    /// A ring with something to say.
    pub(super) fn ring(&mut self, class: &str, (x, y): (f64, f64), tip: &str) {
        let tip = escape(tip);
        let _ = write!(
            self.text,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\">\
             <title>{tip}</title></circle>"
        );
    }

    /// An upright line with something to say, and a head above it.
    pub(super) fn flag(&mut self, class: &str, x: f64, tip: &str) {
        let (top, bottom, tip) = (self.paper.top(), self.paper.y(0.0), escape(tip));
        let head = list([(x - 5.0, top - 9.0), (x + 5.0, top - 9.0), (x, top)].into_iter());
        let _ = write!(
            self.text,
            "<g class=\"{class}\"><title>{tip}</title>\
             <line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
             <polygon points=\"{head}\"/></g>"
        );
    }

    pub(super) fn end(self) -> String {
        self.text + "</svg>\n"
    }
}

fn list(places: impl Iterator<Item = (f64, f64)>) -> String {
    let mut text = String::new();
    for (x, y) in places {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{gap}{x:.1},{y:.1}");
    }
    text
}

/// `text` as it may stand in HTML, in quotes too.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
