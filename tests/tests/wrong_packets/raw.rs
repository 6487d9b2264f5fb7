//! A participant that has joined rightly and then says what it likes: ICE, DTLS and SRTP are as they must be, and what is
//! in them is ours.

use std::cell::RefCell;
use std::sync::Arc;

use aws_lc_rs::hmac;
use crc::{CRC_32_ISCSI, Crc};
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use is::stun::{StunMessage, TransId};
use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_model::Event;
use parlour_peer::SrtpProfile;
use parlour_peer::srtp::{ExportedKeys, Outbound};

const UFRAG: &str = "rawr";
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// By which the server knows our SCTP association, and where our DATA chunks begin to count.
const OUR_TAG: u32 = 7;
pub const FIRST_TSN: u32 = 1_000;

thread_local! {
    /// What the offer must say instead of what the bot's own endpoint would; offers are edited by plain functions.
    static FINGERPRINT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// See above.
pub struct RawClient {
    bot: BotId,
    dtls: Dtls,
    outbound: Option<Outbound>,
    /// SCTP packets that came in.
    inbox: Vec<Vec<u8>>,
    /// By which we name the server's SCTP association.
    tag: u32,
    /// Of the server's last description.
    answer: String,
}

impl RawClient {
    /// Joins with a microphone and a camera announced, and connects.
    pub fn connect(world: &mut World, session: &str, who: &str) -> Self {
        let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
        FINGERPRINT.set(certificate.fingerprint_str());
        let prepare = |bot: &mut parlour_bot::direct::DirectBot| {
            bot.edit_offer = Some(edit);
            bot.lets_out = Some(|_| false);
            bot.told = Some(Vec::new());
            bot.heard = Some(Vec::new());
        };
        let bot = world.join_with(session, who, Role::Client, None, prepare).unwrap();
        world.publish_audio(bot, AudioConfig::default());
        world.publish_video(bot, VideoConfig::default());
        let told = world.bot(bot).told.as_ref().unwrap();
        let answer = |event: &Event| if let Event::Answer { sdp, .. } = event { Some(sdp.0.clone()) } else { None };
        let answer = told.iter().rev().find_map(|(_, event)| answer(event)).unwrap();
        let mut client =
            Self { bot, dtls: engine(certificate, world), outbound: None, inbox: Vec::new(), tag: 0, answer };
        client.check(world);
        for _ in 0..100 {
            if client.outbound.is_some() {
                client.check(world);
                return client;
            }
            client.carry_on(world);
        }
        panic!("no keys");
    }

    /// What follows `prefix` in the answer, in the section of this kind on which the server receives.
    pub fn said(&self, kind: &str, prefix: &str) -> Vec<String> {
        let mut sections = self.answer.split("\r\nm=");
        let section = sections.find(|one| one.starts_with(kind) && one.contains("a=recvonly")).unwrap();
        section.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    fn value(&self, prefix: &str) -> &str {
        self.answer.lines().find_map(|line| line.strip_prefix(prefix)).unwrap()
    }

    /// A check that nominates.
    fn check(&self, world: &mut World) {
        let (ufrag, password) = (self.value("a=ice-ufrag:"), self.value("a=ice-pwd:"));
        let username = format!("{ufrag}:{UFRAG}");
        let message = StunMessage::binding_request(&username, TransId::new(), true, 1, 100, true);
        let mut bytes = vec![0; 256];
        let len = message.to_bytes(Some(password.as_bytes()), &mut bytes, hmac_sha1).unwrap();
        self.inject(world, &bytes[..len]);
    }

    /// A datagram from its address.
    pub fn inject(&self, world: &mut World, bytes: &[u8]) {
        let from = world.bot(self.bot).address();
        world.inject(from, bytes);
    }

    /// Lets a moment pass and takes what came.
    fn carry_on(&mut self, world: &mut World) {
        world.run_for(std::time::Duration::from_millis(20));
        let heard = std::mem::take(world.bot_mut(self.bot).heard.as_mut().unwrap());
        for datagram in heard.iter().filter(|datagram| matches!(datagram.first(), Some(20..=63))) {
            let _ = self.dtls.handle_packet(datagram);
        }
        let _ = self.dtls.handle_timeout(world.now());
        self.drive(world);
    }

    fn drive(&mut self, world: &mut World) {
        let mut buffer = vec![0; 4_096];
        let mut datagrams = Vec::new();
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => datagrams.push(datagram.to_vec()),
                Output::KeyingMaterial(material, profile) => {
                    let profile = match profile {
                        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
                        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
                        _ => SrtpProfile::Aes128CmSha1_80,
                    };
                    let keys = ExportedKeys::split(profile, &material).unwrap();
                    self.outbound = Some(Outbound::new(profile, &keys.client).unwrap());
                }
                Output::ApplicationData(packet) => self.inbox.push(packet.to_vec()),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        datagrams.iter().for_each(|datagram| self.inject(world, datagram));
    }

    /// Seals and sends what looks enough like RTP to be sealed; anything else goes as it is.
    pub fn send_rtp(&mut self, world: &mut World, packet: &[u8]) {
        let sealed = self.sealed(packet);
        self.inject(world, &sealed);
    }

    /// An RTP packet as it would be sent.
    pub fn sealed(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = [packet, &[0; 32]].concat();
        let len = self.outbound.as_mut().unwrap().seal_rtp(&mut buffer, packet.len());
        buffer.truncate(len.unwrap_or(packet.len()));
        buffer
    }

    /// Sends datagrams in one piece, as the kernel hands them over: all of one size but the last.
    pub fn inject_run(&self, world: &mut World, datagrams: &[Vec<u8>]) {
        let (now, from, to) = (world.now(), world.bot(self.bot).address(), world.server());
        world.shard_mut().handle_run(now, from, to, &mut datagrams.concat(), datagrams[0].len());
    }

    /// Seals and sends an RTCP datagram.
    pub fn send_rtcp(&mut self, world: &mut World, packet: &[u8]) {
        let mut buffer = [packet, &[0; 32]].concat();
        let len = self.outbound.as_mut().unwrap().seal_rtcp(&mut buffer, packet.len()).unwrap();
        self.inject(world, &buffer[..len]);
    }

    /// Sends bytes where SCTP is expected.
    pub fn send_below(&mut self, world: &mut World, bytes: &[u8]) {
        self.dtls.send_application_data(bytes).unwrap();
        self.drive(world);
    }

    /// Sends chunks in a right SCTP packet.
    pub fn send_chunks(&mut self, world: &mut World, chunks: &[u8]) {
        self.send_below(world, &packet(self.tag, chunks));
    }

    /// Sets up an SCTP association (RFC 9260 5.1).
    pub fn associate(&mut self, world: &mut World) {
        let (tag, streams, tsn) = (OUR_TAG.to_be_bytes(), [4, 0], FIRST_TSN.to_be_bytes());
        let init = [&tag[..], &[0, 16, 0, 0], &streams, &streams, &tsn].concat();
        self.send_below(world, &packet(0, &chunk(1, 0, &init)));
        let answer = self.next_packet(world);
        self.tag = u32::from_be_bytes(answer[16..20].try_into().unwrap());
        let mut parameters = &answer[32..];
        while parameters[..2] != [0, 7] {
            let length = usize::from(u16::from_be_bytes([parameters[2], parameters[3]]));
            parameters = &parameters[length.next_multiple_of(4)..];
        }
        let length = usize::from(u16::from_be_bytes([parameters[2], parameters[3]]));
        let cookie = chunk(10, 0, &parameters[4..length]);
        self.send_chunks(world, &cookie);
        assert_eq!(self.next_packet(world)[12], 11, "COOKIE ACK");
    }

    /// The next SCTP packet of the server.
    pub fn next_packet(&mut self, world: &mut World) -> Vec<u8> {
        for _ in 0..100 {
            if !self.inbox.is_empty() {
                return self.inbox.remove(0);
            }
            self.carry_on(world);
        }
        panic!("nothing came");
    }
}

/// Makes an offer ours: our certificate, our fragment, and we begin DTLS.
fn edit(sdp: &str) -> String {
    let line = |line: &str| {
        if line.starts_with("a=fingerprint:") {
            FINGERPRINT.with_borrow(|ours| format!("a=fingerprint:sha-256 {ours}\r\n"))
        } else if line.starts_with("a=ice-ufrag:") {
            format!("a=ice-ufrag:{UFRAG}\r\n")
        } else {
            format!("{line}\r\n")
        }
    };
    sdp.lines().map(line).collect::<String>().replace("a=setup:actpass", "a=setup:active")
}

fn engine(certificate: DtlsCertificate, world: &World) -> Dtls {
    let config = Config::builder().mtu(1_200).build().unwrap();
    let mut dtls = Dtls::new_12(Arc::new(config), certificate, world.now());
    dtls.set_active(true);
    dtls
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().unwrap()
}

/// An SCTP packet (RFC 9260 3.1).
pub fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = [5_000u16.to_be_bytes(), 5_000u16.to_be_bytes()].concat();
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let sum = CRC.checksum(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    packet
}

/// A chunk with its padding.
pub fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((4 + body.len() as u16).to_be_bytes());
    chunk.extend(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}
