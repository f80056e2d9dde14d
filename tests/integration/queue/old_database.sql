PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE event (
	task_id VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	type VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	PRIMARY KEY (task_id, seq)
);
INSERT INTO "event" VALUES('01m3wyj7gcdph7tza5wgrgznrw',1,1,'2026-10-02 00:00:00.500002','run.started','{"model": "m", "effort": "high", "base_ref": "main", "base_sha": "0000000000000000000000000000000000000000", "system_prompt": "Be brief: \u00e9\u4e2d\ud83d\ude00 and \u0000", "user_prompt": "Fix it"}');
INSERT INTO "event" VALUES('01m3wyj7gcdph7tza5wgrgznrw',2,1,'2026-10-02 00:00:00.500002','model.replied','{"step": 1, "message": {"content": "step 1 \u2713", "reasoning": "", "tool_calls": []}, "kind": "text", "usage": {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0, "reasoning_tokens": 0, "model_seconds": 0.0}, "finish_reason": "stop", "first_token_seconds": 0.0, "retries": 0}');
INSERT INTO "event" VALUES('01m3wyj7gcdph7tza5wgrgznrw',3,1,'2026-10-02 00:00:00.500002','model.replied','{"step": 2, "message": {"content": "step 2 \u2713", "reasoning": "", "tool_calls": []}, "kind": "text", "usage": {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0, "reasoning_tokens": 0, "model_seconds": 0.0}, "finish_reason": "stop", "first_token_seconds": 0.0, "retries": 0}');
INSERT INTO "event" VALUES('01m3wyj7gcdph7tza5wgrgznrw',4,1,'2026-10-02 00:00:01.000003','run.finished','{"status": "succeeded", "reason": "done", "usage": {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0, "reasoning_tokens": 0, "model_seconds": 0.0}, "steps": 2, "patch_path": "/p"}');
INSERT INTO "event" VALUES('01m3wyj9ygf90tw4zj8ds2176x',1,1,'2026-10-02 00:00:03.000007','run.started','{"model": "m", "effort": "high", "base_ref": "main", "base_sha": "0000000000000000000000000000000000000000", "system_prompt": "Be brief: \u00e9\u4e2d\ud83d\ude00 and \u0000", "user_prompt": "Fix it"}');
INSERT INTO "event" VALUES('01m3wyj9ygf90tw4zj8ds2176x',2,1,'2026-10-02 00:00:03.000007','model.replied','{"step": 1, "message": {"content": "step 1 \u2713", "reasoning": "", "tool_calls": []}, "kind": "text", "usage": {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0, "reasoning_tokens": 0, "model_seconds": 0.0}, "finish_reason": "stop", "first_token_seconds": 0.0, "retries": 0}');
INSERT INTO "event" VALUES('01m3wyjbdc6twcc424fy6ark50',1,1,'2026-10-02 00:00:04.500010','run.started','{"model": "m", "effort": "high", "base_ref": "main", "base_sha": "0000000000000000000000000000000000000000", "system_prompt": "Be brief: \u00e9\u4e2d\ud83d\ude00 and \u0000", "user_prompt": "Fix it"}');
CREATE TABLE task (
	id VARCHAR NOT NULL, 
	work_key VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	status_reason VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	next_seq INTEGER NOT NULL, 
	spec JSON NOT NULL, 
	branch VARCHAR NOT NULL, 
	pull_request_url VARCHAR NOT NULL, 
	patch_path VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "task" VALUES('01m3wyj7gcdph7tza5wgrgznrw','github.com/acme/shop#1','succeeded','done',1,5,'{"instruction": "fix the total \u20ac", "repository": {"url": "https://github.com/acme/shop.git", "host": "github.com", "owner": "acme", "name": "shop"}, "source": "cli", "base_ref": "", "title": "", "context": "", "images": [], "issue_number": null, "checks": ["make test"], "budget": {"max_steps": 100, "max_tokens": 20000000, "max_seconds": 3600.0}, "publish": true, "checkout": "", "start": "", "start_base": "", "work_key": "github.com/acme/shop#1"}','','','/p','2026-10-01 23:59:59.500000','2026-10-02 00:00:01.500004');
INSERT INTO "task" VALUES('01m3wyj9ygf90tw4zj8ds2176x','github.com/acme/shop#2','running','',1,3,'{"instruction": "in flight", "repository": {"url": "https://github.com/acme/shop.git", "host": "github.com", "owner": "acme", "name": "shop"}, "source": "cli", "base_ref": "", "title": "", "context": "", "images": [], "issue_number": null, "checks": ["make test"], "budget": {"max_steps": 100, "max_tokens": 20000000, "max_seconds": 3600.0}, "publish": true, "checkout": "", "start": "", "start_base": "", "work_key": "github.com/acme/shop#2"}','','','','2026-10-02 00:00:02.000005','2026-10-02 00:00:02.500006');
INSERT INTO "task" VALUES('01m3wyjbdc6twcc424fy6ark50','','canceling','no more of it',1,2,'{"instruction": "to be canceled", "repository": {"url": "/srv/git/tool", "host": "", "owner": "", "name": "tool"}, "source": "cli", "base_ref": "", "title": "", "context": "", "images": [], "issue_number": null, "checks": ["make test"], "budget": {"max_steps": 100, "max_tokens": 20000000, "max_seconds": 3600.0}, "publish": true, "checkout": "", "start": "", "start_base": "", "work_key": ""}','','','','2026-10-02 00:00:03.500008','2026-10-02 00:00:05.000011');
INSERT INTO "task" VALUES('01m3wyjdbw4rfz2q9hwdck17es','tool#3','queued','',0,1,'{"instruction": "still queued", "repository": {"url": "/srv/git/tool", "host": "", "owner": "", "name": "tool"}, "source": "cli", "base_ref": "", "title": "", "context": "", "images": [], "issue_number": null, "checks": ["make test"], "budget": {"max_steps": 100, "max_tokens": 20000000, "max_seconds": 3600.0}, "publish": true, "checkout": "", "start": "", "start_base": "", "work_key": "tool#3"}','','','','2026-10-02 00:00:05.500012','2026-10-02 00:00:05.500012');
INSERT INTO "task" VALUES('01m3wyjdvgwvmqyqs9q4kcdy80','','rejected','no checkout',0,1,'{"instruction": "rejected", "repository": {"url": "https://github.com/acme/shop.git", "host": "github.com", "owner": "acme", "name": "shop"}, "source": "cli", "base_ref": "", "title": "", "context": "", "images": [], "issue_number": null, "checks": ["make test"], "budget": {"max_steps": 100, "max_tokens": 20000000, "max_seconds": 3600.0}, "publish": true, "checkout": "", "start": "", "start_base": "", "work_key": ""}','','','','2026-10-02 00:00:06.000013','2026-10-02 00:00:06.500014');
CREATE UNIQUE INDEX task_live_work_key ON task (work_key) WHERE work_key != '' AND status NOT IN ('succeeded', 'failed', 'canceled', 'rejected');
CREATE INDEX task_queued ON task (id) WHERE status = 'queued';
COMMIT;
