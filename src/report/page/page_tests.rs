use super::*;
use crate::report::{Book, LogWriter, read_all};
use crate::time::{Offset, Time};

/// A run of `slaves` slaves over 40 intervals with one outlier and one change of master.
fn sample(slaves: u64, name: &str) -> (Log, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.hlog");
    let mut book = Book::new(256);
    let mut log = LogWriter::create(&path, Time::from_nanos(1_700_000_000_000_000_000)).unwrap();
    log.introduce("master tower");
    for id in 0..slaves {
        book.add(id, &format!("{name}{id}"));
    }
    for interval in 0..40u64 {
        for id in 0..slaves {
            for n in 0..20u64 {
                let spike = if (interval, id, n) == (33, 1, 7) { 80_000 } else { 0 };
                let nanos = ((n * 37 + id * 11 + interval * 5) % 400 + spike) as i64 - 200;
                book.record_exchange(id, Span::from_nanos(90_000 + n * 100), Span::from_nanos(n));
                book.record_offset(id, Offset::from_nanos(nanos));
            }
        }
        let from = Span::from_secs(10 * interval);
        if interval == 5 {
            log.event(from, "elected", "master of term 1 from now on: no master was found");
        }
        if interval == 20 {
            log.event(from, "following", "following master <b>\"spare\"</b> & co");
        }
        log.write(&book, from, from + Span::from_secs(10)).unwrap();
        book.roll();
    }
    let (log, cut) = read_all(&[path]).unwrap();
    assert!(cut.is_empty());
    let text = page(&log, &["run.hlog".to_owned()]);
    (log, text)
}

#[test]
fn a_page_fetches_nothing_and_runs_nothing() {
    let (_, text) = sample(3, "rack-");
    for fetching in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "onload"] {
        assert!(!text.contains(fetching), "{fetching}");
    }
    assert!(text.contains("prefers-color-scheme: dark") && text.contains("max-width: 820px"));
}

#[test]
fn outliers_and_changes_of_master_are_marked_and_listed() {
    let (_, text) = sample(3, "rack-");
    let offsets = text.split("<h2>Offsets over time").nth(1).unwrap();
    let desk = offsets.split("</svg>\n").next().unwrap();
    assert_eq!(desk.matches("class=\"outlier\"").count(), 1 + 1, "one, and the legend's");
    assert!(desk.contains("<title>2023-11-14 22:18:55 rack-1: offset +79.8 µs, usual is"));
    assert_eq!(desk.matches("<g class=\"failover\"><title>22:16:40 following").count(), 1);
    assert!(text.contains("<h2>Outliers</h2>") && text.contains("<h2>Events</h2>"));
    assert!(text.contains("<b>1</b> change of master") && text.contains("<b>1</b> outlier<"));
}

/// What a standby writes down: as long as it follows, its own offsets; once it reigns, all.
#[test]
fn a_standby_that_takes_over_tells_of_itself_first_and_of_all_then() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.hlog");
    let mut book = Book::new(8);
    let mut log = LogWriter::create(&path, Time::from_nanos(1_700_000_000_000_000_000)).unwrap();
    log.introduce("slave spare");
    log.event(Span::ZERO, "following", "following master tower at 10.0.0.1:7045");
    for interval in 0..20u64 {
        let from = Span::from_secs(10 * interval);
        if interval < 10 {
            book.record_offset(99, Offset::from_nanos(70));
        } else {
            book.add(1, "rack-1");
            book.record_exchange(1, Span::from_micros(90), Span::ZERO);
            book.record_offset(1, Offset::from_nanos(-50));
        }
        if interval == 10 {
            log.event(from, "claimed", "asking for the mastership of term 2: the master is silent");
            log.event(from, "elected", "master of term 2 from now on: the master is silent");
        }
        if interval == 15 {
            log.rotate().unwrap();
        }
        log.write(&book, from, from + Span::from_secs(10)).unwrap();
        book.roll();
    }
    let (log, cut) = read_all(&[dir.path().join("run.hlog.1"), path]).unwrap();
    assert!(cut.is_empty(), "{cut:?}");
    let points = |metric, subject| log.history.course(metric, subject).len();
    assert_eq!((points("offset", "spare"), points("offset", "rack-1")), (10, 10));
    assert_eq!((points("offset", "cluster"), points("rtt", "cluster")), (10, 10));
    let starts = log.history.events.iter().filter(|event| event.kind == "start");
    assert_eq!(starts.count(), 1, "{:?}", log.history.events);
    let text = page(&log, &["run.hlog".to_owned()]);
    assert!(text.contains("<b>1</b> change of master"), "{text}");
}

#[test]
fn names_and_events_cannot_write_markup() {
    let (_, text) = sample(2, "<img/onerror=x>&\"'");
    assert!(text.contains("&lt;img/onerror=x&gt;&amp;&quot;&#39;0"), "the name is shown");
    assert!(!text.contains("<img") && !text.contains("<b>\"spare"));
    assert!(text.contains("following master &lt;b&gt;&quot;spare&quot;&lt;/b&gt; &amp; co"));
}

#[test]
fn every_drawing_is_told_to_who_cannot_see_it() {
    let (_, text) = sample(2, "rack-");
    let drawings = text.matches("role=\"img\"").count();
    assert_eq!(drawings, 8, "four charts, for a desk and for a phone");
    assert_eq!(text.matches("<desc id=").count(), drawings);
    let ids: Vec<_> = text.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    assert!(text.contains("<caption>Mean offset of one interval at each time</caption>"));
    assert!(!text.contains("NaN") && !text.contains("inf\""));
}

#[test]
fn a_large_cluster_stays_a_small_page() {
    let (_, text) = sample(256, "rack-");
    assert!(text.len() < 4 << 20, "{} bytes", text.len());
    assert!(text.contains("248 more, with less"));
}

#[test]
fn little_or_foreign_content_makes_a_page_too() {
    let empty = page(&Log::default(), &["a".to_owned()]);
    assert!(empty.contains("no interval") && !empty.contains("<svg class=\"desk\""));
    let (mut log, _) = sample(1, "rack-");
    for course in &mut log.history.courses {
        course.points.truncate(1);
    }
    let one = page(&log, &["a".to_owned()]);
    assert!(one.contains("dot\"") && !one.contains("NaN"));
}
