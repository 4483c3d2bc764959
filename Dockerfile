# The production image. `docker build -t rainymodel .`; what it needs to run is in docs/configuration.md.

FROM python:3.12-slim AS packages
COPY requirements.txt /
# The lock names every package with its hashes: pip resolves nothing and accepts nothing else.
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /requirements.txt

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin appuser
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RAINYMODEL_ENV=production \
    RAINYMODEL_STATE_DIR=/state \
    HOST=0.0.0.0 \
    PORT=8080
# Settings for this one command only: no secret and no database is in the image.
RUN python -m compileall -q accounts gateway rainymodel_site routing \
 && RAINYMODEL_ENV=development RAINYMODEL_STATE_DIR=/tmp/build DATABASE_URL=postgresql:///none \
    python manage.py collectstatic --noinput \
 && rm -rf /tmp/build \
 && install -d -o appuser -m 0700 /state
USER appuser
# With a read-only root, mount a tmpfs on /tmp and a tmpfs or a volume on /state.
VOLUME /state
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "bin/healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["bin/entrypoint"]
CMD ["serve"]
