//! A bar chart as SVG text, for light and dark pages.

use std::fmt::Write;

/// Bars that are compared with each other: hits per second by name.
pub struct Panel {
    pub heading: String,
    pub bars: Vec<(&'static str, f64)>,
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 190.0;
const LONGEST: f64 = 430.0;
const LINE: f64 = 28.0;

/// `emphasized` is the bar that stands out.
pub fn svg(title: &str, panels: &[Panel], footer: &[String], emphasized: &str) -> String {
    let mut body = String::new();
    let mut y = 24.0;
    text(&mut body, "title", 0.0, y, title);
    for panel in panels {
        y += 36.0;
        text(&mut body, "heading", 0.0, y, &panel.heading);
        let most = panel
            .bars
            .iter()
            .map(|(_, value)| *value)
            .fold(1.0, f64::max);
        for (name, value) in &panel.bars {
            y += LINE;
            let class = if *name == emphasized {
                "bar ours"
            } else {
                "bar"
            };
            bar(&mut body, class, y, name, *value, most);
        }
    }
    y += 20.0;
    for line in footer.iter().flat_map(|line| wrapped(line)) {
        y += 16.0;
        text(&mut body, "footer", 0.0, y, &line);
    }
    let height = y + 12.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-8 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{}\">\n{STYLE}{body}</svg>\n",
        escaped(title)
    )
}

/// An image on a page does not inherit the page's colour, so it asks for the scheme itself.
const STYLE: &str = "\
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .heading { font-weight: 600 }
  .footer { font-size: 11px; fill: #59636e }
  .name { text-anchor: end }
  .bar { fill: #afb8c1 }
  .ours { fill: #1f6feb }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .footer { fill: #9198a1 }
    .bar { fill: #545d68 }
    .ours { fill: #4493f8 }
  }
</style>
";

fn bar(into: &mut String, class: &str, y: f64, name: &str, value: f64, most: f64) {
    let width = (value / most * LONGEST).max(1.0);
    let top = y - 14.0;
    text(into, "name", LEFT - 10.0, y, name);
    // Writing to a String does not fail.
    let _ = writeln!(
        into,
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"18\" rx=\"2\"/>"
    );
    text(into, "value", LEFT + width + 8.0, y, &thousands(value));
}

fn text(into: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let words = escaped(words);
    let _ = writeln!(
        into,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y}\">{words}</text>"
    );
}

/// SVG does not break lines.
fn wrapped(text: &str) -> Vec<String> {
    const LONGEST: usize = 110;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_inclusive(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= LONGEST => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn thousands(value: f64) -> String {
    format!("{:.0}k/s", value / 1e3)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_as_long_as_bars_get_and_ours_stands_out() {
        let panel = Panel {
            heading: "64 async callers".to_owned(),
            bars: vec![("ours", 500_000.0), ("theirs & others", 250_000.0)],
        };
        let svg = svg("Hits", &[panel], &["2 cores".to_owned()], "ours");
        assert!(
            svg.contains(r#"<rect class="bar ours" x="190" y="74" width="430.0""#),
            "{svg}"
        );
        assert!(
            svg.contains(r#"<rect class="bar" x="190" y="102" width="215.0""#),
            "{svg}"
        );
        assert!(
            svg.contains("500k/s") && svg.contains("theirs &amp; others"),
            "{svg}"
        );
    }
}
