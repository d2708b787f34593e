"""Reads mails with Python's parser, and their calendars with one of its packages: JSON to JSON."""

import email
import email.policy
import json
import sys

import icalendar


def event(calendar):
    (found,) = calendar.walk("VEVENT")
    text = lambda name: str(found[name]) if name in found else None
    return {
        "method": str(calendar["METHOD"]),
        "uid": text("UID"),
        "sequence": int(found["SEQUENCE"]),
        "status": text("STATUS"),
        "summary": text("SUMMARY"),
        "location": text("LOCATION"),
        "starts_at": found.decoded("DTSTART").isoformat(),
        "ends_at": found.decoded("DTEND").isoformat(),
        "organizer": text("ORGANIZER"),
        "attendee": text("ATTENDEE"),
    }


def read(received):
    mail = email.message_from_string(received["mail"], policy=email.policy.default)
    parts = {"text/plain": [], "text/html": [], "text/calendar": []}
    for part in mail.walk():
        if part.get_content_type() in parts:
            parts[part.get_content_type()].append(part)
    content = lambda kind: parts[kind][0].get_content() if parts[kind] else None
    calendars = []
    for part in parts["text/calendar"]:
        calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
        assert part.get_param("method") == str(calendar["METHOD"])
        calendars.append(event(calendar))
    return {
        "to": received["to"],
        "from": mail["From"],
        "subject": mail["Subject"],
        "message_id": mail["Message-ID"],
        "automatic": mail["Auto-Submitted"],
        "text": content("text/plain"),
        "html": content("text/html"),
        "calendars": calendars,
        "images": [part["Content-ID"] for part in mail.walk() if part.get_content_maintype() == "image"],
    }


print(json.dumps([read(json.loads(line)) for line in sys.stdin]))
