//! Makes `str0m`'s offers say what a browser's say.
//!
//! `str0m` names SSRCs and an msid in sections that only receive, and SSRCs beside rids; browsers do neither, and a
//! server must not learn to depend on it. `livekit-client` asks for NACK on Opus by editing its offers; so do we.

/// The offer as it goes out.
pub fn like_a_browser(offer: &str) -> String {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in offer.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let mut out = String::with_capacity(offer.len());
    for section in sections {
        let sends = section.iter().any(|line| matches!(*line, "a=sendonly" | "a=sendrecv"));
        let simulcast = section.iter().any(|line| line.starts_with("a=simulcast:"));
        let is_media = section.first().is_some_and(|line| line.starts_with("m=audio") || line.starts_with("m=video"));
        for line in section {
            let ssrc = line.starts_with("a=ssrc");
            let msid = line.starts_with("a=msid:");
            if is_media && ((ssrc && (simulcast || !sends)) || (msid && !sends)) {
                continue;
            }
            out.push_str(line);
            out.push_str("\r\n");
            if let Some(payload_type) = line.strip_prefix("a=rtpmap:").and_then(|l| l.strip_suffix(" opus/48000/2")) {
                out.push_str(&format!("a=rtcp-fb:{payload_type} nack\r\n"));
            }
        }
    }
    out
}

/// The sections of an answer that send to us, with the SSRC and repair SSRC each names: (mid, ssrc).
pub fn sending_sections(answer: &str) -> Vec<(String, Vec<u32>)> {
    let mut sections = Vec::new();
    for section in answer.split("\r\nm=").skip(1) {
        let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"));
        let sends = section.lines().any(|line| matches!(line, "a=sendonly" | "a=sendrecv"));
        let (Some(mid), true) = (mid, sends) else { continue };
        let ssrcs = section
            .lines()
            .filter_map(|line| line.strip_prefix("a=ssrc:")?.split(' ').next()?.parse().ok())
            .collect::<Vec<u32>>();
        sections.push((mid.to_owned(), ssrcs));
    }
    sections
}

/// Whether the answer takes Opus with NACK in the section of this mid.
pub fn has_audio_nack(answer: &str, mid: &str) -> bool {
    let wanted = format!("a=mid:{mid}");
    answer
        .split("\r\nm=")
        .skip(1)
        .filter(|section| section.lines().any(|line| line == wanted))
        .any(|section| section.lines().any(|line| line.starts_with("a=rtcp-fb:") && line.ends_with(" nack")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_only_receive_name_no_source() {
        let offer = "v=0\r\nm=audio 9 X 111\r\na=mid:a\r\na=recvonly\r\na=msid:s t\r\na=rtpmap:111 opus/48000/2\r\n\
                     a=ssrc:1 cname:x\r\nm=video 9 X 96\r\na=mid:b\r\na=sendonly\r\na=msid:s u\r\na=ssrc:2 cname:x\r\n";
        let out = like_a_browser(offer);
        assert!(!out.contains("a=ssrc:1") && !out.contains("a=msid:s t"));
        assert!(out.contains("a=ssrc:2") && out.contains("a=msid:s u"));
        assert!(out.contains("a=rtcp-fb:111 nack\r\n"));
    }
}
