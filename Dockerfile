# The command asleep in an image of its own: one static binary, no shell, no root.
#
#   docker build -t asleep .
#   docker run --rm --env-file .env -p 8080:8080 -v asleep:/data asleep
#
# Deliveries and readers come in at 8080. What operators see stays on 127.0.0.1:9090
# inside, unless ADMIN_ADDR and ADMIN_TOKEN say otherwise.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/asleep ./cmd/asleep \
 && mkdir -m 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/asleep /usr/bin/asleep
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV ADDR=:8080 DATABASE_URL=sqlite:/data/asleep.db
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/asleep"]
CMD ["serve"]
