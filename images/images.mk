# SPDX-License-Identifier: Apache-2.0
# Rules for the demo guests; the Makefile includes this file. Needs BUILD (the build folder, build).

# Every recipe is a script that takes the output's path; it is run again when it, its inputs or the
# compiler wrapper changed. Lua and SQLite are fetched, so they are built on request only; Go, Python, Redis
# and nginx are what Debian has installed, where it has.
IMAGES := $(BUILD)/images/hello $(BUILD)/images/lua $(BUILD)/images/sqlite3 \
	$(if $(shell command -v go),$(BUILD)/images/go-demo) \
	$(if $(shell command -v mkfs.erofs), \
	$(if $(wildcard /usr/bin/python3),$(BUILD)/images/python.erofs) \
	$(if $(wildcard /usr/bin/redis-server),$(BUILD)/images/redis.erofs) \
	$(if $(wildcard /usr/sbin/nginx),$(BUILD)/images/nginx.erofs))

.PHONY: images
images: $(IMAGES)

$(BUILD)/images/hello: images/hello/build.sh images/hello/hello.c $(BUILD)/mote-cc
$(BUILD)/images/lua: images/lua/build.sh scripts/sources.txt $(BUILD)/mote-cc
$(BUILD)/images/sqlite3: images/sqlite/build.sh scripts/sources.txt $(BUILD)/mote-cc
$(BUILD)/images/go-demo: images/go/build.sh images/go/main.go
$(BUILD)/images/python.erofs: images/python/build.sh images/make-root.sh $(wildcard /usr/bin/python3)
$(BUILD)/images/redis.erofs: images/redis/build.sh images/make-root.sh images/make-image.sh \
	$(wildcard /usr/bin/redis-server)
$(BUILD)/images/nginx.erofs: images/nginx/build.sh images/nginx/nginx.conf images/make-root.sh \
	images/make-image.sh $(wildcard /usr/sbin/nginx)

$(IMAGES):
	$(if $(V),,@echo "  IMAGE   $@")
	$(if $(V),,@)@MOTE_CC=$(CURDIR)/$(BUILD)/mote-cc $< $(CURDIR)/$@
