-- The site's own tables.
CREATE TABLE room (id text PRIMARY KEY, name text NOT NULL, price_per_night integer NOT NULL);
INSERT INTO room VALUES ('garden', 'Garden room', 9000), ('harbour', 'Harbour room', 12000);

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    room_id text NOT NULL REFERENCES room,
    arrival date NOT NULL,
    departure date NOT NULL,
    guest text NOT NULL,
    email text NOT NULL
);

CREATE TABLE bookings (
    reference text PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    status text NOT NULL,
    paid integer NOT NULL
);

CREATE TABLE payments (
    session_id text PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    payment_intent_id text NOT NULL,
    amount integer NOT NULL
);
