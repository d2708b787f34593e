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

-- BOOKING_HOOK=public.on_booking: called in the transaction that writes booking and payment.
CREATE FUNCTION on_booking(document jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
    ordered orders;
BEGIN
    SELECT * INTO ordered FROM orders WHERE id::text = document #>> '{checkout,client_reference}';
    -- What is not of this site's rooms is not this site's: any page may name any client_reference.
    IF ordered.id IS NULL OR document #>> '{slot,resource}' IS DISTINCT FROM ordered.room_id THEN
        RETURN;
    END IF;
    INSERT INTO bookings (reference, order_id, status, paid)
    VALUES (document #>> '{booking,reference}', ordered.id, document #>> '{booking,status}',
            (document #>> '{payment,amount_total}')::integer)
    ON CONFLICT (reference) DO UPDATE SET status = excluded.status;
END $$;
